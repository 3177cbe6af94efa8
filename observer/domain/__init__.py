"""The words of the house: frozen values, built from the standard library and numpy only."""
