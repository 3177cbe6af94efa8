"""An API server with its controllers and kubelets."""
