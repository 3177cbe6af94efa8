"""A Kiali that draws the simulated mesh."""
