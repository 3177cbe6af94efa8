"""A kubeconfig for clients of the simulated API server."""

from __future__ import annotations

import json
from pathlib import Path


def write_kubeconfig(path: Path, url: str, token: str = "", *, namespace: str = "default") -> Path:
    """Write a kubeconfig (as JSON, which is YAML) with one context, readable by its owner only; returns ``path``."""
    user = {"token": token} if token else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "simulator",
        "clusters": [{"name": "simulator", "cluster": {"server": url}}],
        "users": [{"name": "simulator", "user": user}],
        "contexts": [
            {"name": "simulator", "context": {"cluster": "simulator", "user": "simulator", "namespace": namespace}}
        ],
    }
    path.touch(mode=0o600, exist_ok=True)
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return path
