"""Observer replaces the Kubernetes pod that passes its probes and still fails its users."""

__version__ = "0.1.0"
