"""What the daemon serves over HTTP: probes, metrics and a read-only JSON API."""
