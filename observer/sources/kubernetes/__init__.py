"""Kubernetes, read side: our own list and watch, our own fields, one cheap picture of the cluster."""
