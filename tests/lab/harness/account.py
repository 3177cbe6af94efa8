"""Observer's account in the lab: exactly what ``deploy/manifests`` grants, and a token for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from tests.lab.stack.lab import Lab
from tests.lab.stack.pki import Pki
from tests.lab.stack.places import CHECKOUT, OBSERVER_NAMESPACE

MANIFESTS: Final = CHECKOUT / "deploy" / "manifests"
_ELSEWHERE: Final = {"Deployment", "CronJob", "Kustomization"}
"""These run Observer from an image; in the lab the checkout itself runs, with the same account."""
_TOKEN_SECONDS: Final = 24 * 3600


def set_up(lab: Lab) -> Path:
    """Apply the manifests and return a kubeconfig with a token of their service account."""
    kinds = "namespace", "serviceaccount"
    objects = sorted(_objects(), key=lambda one: kinds.index(kind) if (kind := one["kind"].lower()) in kinds else 9)
    lab.kubectl.apply(objects)
    account = next(one["metadata"]["name"] for one in objects if one["kind"] == "ServiceAccount")
    token = lab.kubectl("-n", OBSERVER_NAMESPACE, "create", "token", account, f"--duration={_TOKEN_SECONDS}s").strip()
    secret = lab.places.run / "observer.token"
    secret.touch(mode=0o600)
    secret.write_text(token)
    return Pki(lab.places).kubeconfig("observer", {"tokenFile": str(secret)})


def _objects() -> list[dict[str, Any]]:
    found = [one for path in sorted(MANIFESTS.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one]
    return [
        one for one in found if one["kind"] not in _ELSEWHERE and one["apiVersion"] != "kustomize.config.k8s.io/v1beta1"
    ]
