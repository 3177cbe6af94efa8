"""Decision streams: what the engine decided in version 0.1.0, kept to be decided again by every later one."""
