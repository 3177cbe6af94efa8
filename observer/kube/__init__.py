"""The one door to the Kubernetes API server: credentials, time limits, status mapping, watch streams."""
