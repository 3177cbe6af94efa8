"""``observer top``: the daemon's overview on the terminal, live."""
