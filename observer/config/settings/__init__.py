"""Settings of the daemon: what may stand in them, how they are read, what must fit together."""
