"""The one door to the Kubernetes API server: credentials, time limits, typed errors, watch streams, pods to write."""
