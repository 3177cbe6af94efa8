"""Observer's account in the lab: exactly what ``deploy/manifests`` grants, and a token for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from tests.lab.stack.lab import Lab
from tests.lab.stack.pki import Pki
from tests.lab.stack.places import CHECKOUT, OBSERVER_ACCOUNT, OBSERVER_NAMESPACE

MANIFESTS: Final = CHECKOUT / "deploy" / "manifests"
_ELSEWHERE: Final = {"Deployment", "CronJob", "PersistentVolumeClaim"}
"""These run Observer from an image; in the lab the checkout itself runs, with the same account."""
_TOKEN_SECONDS: Final = 24 * 3600


def set_up(lab: Lab) -> Path:
    """Apply the manifests as ``kubectl apply -k`` would, and return a kubeconfig with a token of their account."""
    lab.kubectl.apply(_objects(lab))
    account = OBSERVER_ACCOUNT.rpartition(":")[2]
    token = lab.kubectl("-n", OBSERVER_NAMESPACE, "create", "token", account, f"--duration={_TOKEN_SECONDS}s").strip()
    secret = lab.places.run / "observer.token"
    secret.touch(mode=0o600)
    secret.write_text(token)
    return Pki(lab.places).kubeconfig("observer", {"tokenFile": str(secret)})


def _objects(lab: Lab) -> list[dict[str, Any]]:
    """Kustomize puts namespaces and accounts first."""
    rendered = lab.kubectl("kustomize", str(MANIFESTS))
    return [one for one in yaml.safe_load_all(rendered) if one["kind"] not in _ELSEWHERE]
