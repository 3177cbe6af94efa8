"""What the daemon serves over HTTP: probes, metrics, the API, the page, and the webhook of alerts."""
