"""The resources that the simulated API server knows: one row each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

Obj = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One resource.

    Attributes:
        group: empty for the core group.
        subresources: what may follow the name in a path.
        generation: ``metadata.generation`` counts changes of its spec.
    """

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    generation: bool = False

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The name that error messages use: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


EVENTS_GROUP: Final = "events.k8s.io"
CORE_EVENT: Final = Kind("events", "Event", short=("ev",))

_ROWS: Final = (
    Kind("pods", "Pod", subresources=("status", "eviction", "log"), short=("po",), generation=True),
    Kind("services", "Service", subresources=("status",), short=("svc",)),
    Kind("nodes", "Node", namespaced=False, subresources=("status",), short=("no",)),
    Kind("namespaces", "Namespace", namespaced=False, subresources=("status",), short=("ns",)),
    Kind("configmaps", "ConfigMap", short=("cm",)),
    Kind("serviceaccounts", "ServiceAccount", short=("sa",)),
    Kind("events", "Event", EVENTS_GROUP, short=("ev",)),
    Kind("deployments", "Deployment", "apps", subresources=("status", "scale"), short=("deploy",), generation=True),
    Kind("replicasets", "ReplicaSet", "apps", subresources=("status", "scale"), short=("rs",), generation=True),
    Kind("statefulsets", "StatefulSet", "apps", subresources=("status",), short=("sts",), generation=True),
    Kind("daemonsets", "DaemonSet", "apps", subresources=("status",), short=("ds",), generation=True),
    Kind(
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "policy",
        subresources=("status",),
        short=("pdb",),
        generation=True,
    ),
    Kind(
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "autoscaling",
        "v2",
        subresources=("status",),
        short=("hpa",),
    ),
    Kind("endpointslices", "EndpointSlice", "discovery.k8s.io", generation=True),
    Kind("leases", "Lease", "coordination.k8s.io"),
)

KINDS: Final[Mapping[str, Kind]] = {row.plural: row for row in _ROWS}
"""By plural. Events are stored once, in the shape of events.k8s.io; the core shape is a view (``CORE_EVENT``)."""


def find(group: str, version: str, plural: str) -> Kind | None:
    """The row that a path names; core events answer with ``CORE_EVENT``."""
    if plural == CORE_EVENT.plural and not group:
        return CORE_EVENT if version == "v1" else None
    row = KINDS.get(plural)
    return row if row is not None and (row.group, row.version) == (group, version) else None


def all_kinds() -> tuple[Kind, ...]:
    """Every row, core events too."""
    return (*_ROWS, CORE_EVENT)


_BY_KIND: Final = {row.kind: row for row in _ROWS}


def plural_of(obj: Obj) -> str:
    """The plural under which an object is stored; raises KeyError for a kind that is not simulated."""
    return _BY_KIND[obj["kind"]].plural


# --- Times as Kubernetes writes them


def rfc3339(seconds: float) -> str:
    """Unix seconds as ``2026-01-01T00:00:00Z``."""
    return _whole(math.floor(seconds))


@lru_cache(maxsize=4096)
def _whole(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """Unix seconds of an RFC 3339 time; raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
