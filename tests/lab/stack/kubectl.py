"""The administrator's kubectl, asked from the hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.lab.stack.binaries import Binaries
from tests.lab.stack.places import HUB, Places
from tests.lab.stack.processes import run


class Kubectl:
    """Speaks to the lab's cluster and to no other: the kubeconfig is always named."""

    def __init__(self, places: Places, binaries: Binaries) -> None:
        self._places, self._binaries = places, binaries

    def __call__(self, *words: str, feed: str | None = None, check: bool = True, timeout: float = 60.0) -> str:
        command = [self._binaries.path("kubectl"), "--kubeconfig", self._places.admin, *words]
        return run(command, place=HUB, feed=feed, check=check, timeout=timeout)

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """Create or change all of them in one call."""
        body = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", "-f", "-", feed=json.dumps(body))

    def get(self, *words: str) -> Any:
        return json.loads(self("get", *words, "-o", "json"))

    def rolled_out(self, namespace: str, deployment: str, *, seconds: int = 180) -> None:
        """Wait until every replica of the newest revision serves; ``LabError`` when it takes longer."""
        self(
            "-n",
            namespace,
            "rollout",
            "status",
            f"deployment/{deployment}",
            f"--timeout={seconds}s",
            timeout=seconds + 10,
        )

    def helm(self, *words: str) -> None:
        env = {"KUBECONFIG": str(self._places.admin), "HELM_CACHE_HOME": str(self._places.run / "helm")}
        run([self._binaries.path("helm"), *words], place=HUB, env=env)
