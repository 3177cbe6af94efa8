"""Where everything of the lab is: folders on this machine, network namespaces, addresses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[3]
LAB_FILES: Final = CHECKOUT / "tests" / "lab"

NODES: Final = ("n1", "n2")
HUB: Final = "hub"
"""The namespace that joins the nodes and has no way out: Prometheus, Jaeger, tests and Observer live in it."""

OWNER: Final = Path("/run/observer-lab")
"""One lab at a time on a machine: this file holds the folder of the lab that is up."""
LOCK: Final = Path("/run/observer-lab.lock")

# The benchmark range 198.18.0.0/15 is routed nowhere, so that nothing of the lab can be mistaken for the machine's own.
SERVICES: Final = "198.19.0.0/16"
KUBERNETES_SERVICE: Final = "198.19.0.1"
PODS: Final = "198.18.0.0/16"
HUB_ADDRESS: Final = "198.18.255.1"
API_ADDRESS: Final = "198.18.255.2"
API_SERVER: Final = f"https://{API_ADDRESS}:6443"
PROMETHEUS: Final = "http://127.0.0.1:9090"
JAEGER: Final = "http://127.0.0.1:16686"
ISTIO_NAMESPACE: Final = "istio-system"
OBSERVER_NAMESPACE: Final = "observer"
OBSERVER_ACCOUNT: Final = "system:serviceaccount:observer:observer"


def netns(place: str) -> str:
    """Name of the network namespace of a node or of the hub."""
    return f"lab-{place}"


def node_number(node: str) -> int:
    """1 for the first node: the number in its addresses."""
    return NODES.index(node) + 1


def node_address(node: str) -> str:
    """The node's end of the cable to the hub."""
    return f"198.18.255.{4 * (node_number(node) - 1) + 2}"


def hub_address(node: str) -> str:
    """The hub's end of the cable to a node."""
    return f"198.18.255.{4 * (node_number(node) - 1) + 1}"


def pod_range(node: str) -> str:
    """Where the node's pods get their addresses."""
    return f"198.18.{node_number(node)}.0/24"


@dataclass(frozen=True, slots=True)
class Places:
    """Folders below one root: what is kept from run to run, and what a running lab writes."""

    root: Path

    @property
    def retained(self) -> Path:
        """Binaries and images by version; survives ``down``."""
        return self.root / "kept"

    @property
    def run(self) -> Path:
        """Everything a running lab writes; gone after ``down``."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def last_logs(self) -> Path:
        """The daemons' logs of the lab that was ended last."""
        return self.root / "last-logs"

    @property
    def pki(self) -> Path:
        return self.run / "pki"

    @property
    def admin(self) -> Path:
        """Kubeconfig of the cluster's administrator."""
        return self.kubeconfig("admin")

    def kubeconfig(self, user: str) -> Path:
        return self.run / f"{user}.kubeconfig"

    def node(self, node: str) -> Path:
        return self.run / node


def places() -> Places:
    """The lab of this user: ``$OBSERVER_LAB``, else ``observer-lab`` in the user's cache folder."""
    if named := os.environ.get("OBSERVER_LAB"):
        return Places(Path(named).resolve())
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Places(Path(cache).resolve() / "observer-lab")
