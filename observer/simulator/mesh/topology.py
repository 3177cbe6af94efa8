"""What is simulated: services and who calls whom, where load comes from, how the mesh behaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DAY: Final = 86_400.0


class Balancing(StrEnum):
    """How a caller's sidecar picks a pod."""

    LEAST_REQUEST = "least_request"
    """Two at random, the one with fewer requests of this caller in flight: Istio's default."""
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """
    A service by its ``app`` label.

    Attributes:
        calls: services that each request calls.
        parallel: the calls start together; else one after the other, ending at the first failure.
        work: median seconds of own work; ``spread`` is the sigma of its lognormal.
        error_rate: share of requests that a healthy pod answers with 500.
        namespace: where it and its workloads live; empty = the mesh's own.
    """

    name: str
    calls: tuple[str, ...] = ()
    parallel: bool = True
    work: float = 0.005
    spread: float = 0.7
    error_rate: float = 0.0
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """
    A Deployment: its name, the service (``app`` label) and version of its pods.

    ``gateway``: its pods are gateways of the mesh's border. Sources of its service then stand for people outside: a
    faulty gateway pod fails and slows what it passes on, and only its own proxy counts that.
    """

    name: str
    service: str
    version: str
    replicas: int
    gateway: bool = False


@dataclass(frozen=True, slots=True)
class Surge:
    """The load times ``factor`` from ``since`` until ``until``, Unix seconds."""

    factor: float
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """
    Pods of ``workload`` (its service name) that call ``target`` at random moments, ``rate`` requests a second in all.

    ``swing`` (0 to 1) makes the rate a sine of ``period`` seconds round its mean, lowest at multiples of the period.
    """

    workload: str
    target: str
    rate: float
    swing: float = 0.0
    period: float = DAY

    def rate_at(self, at: float) -> float:
        """Requests a second at ``at``, without surges."""
        return self.rate * (1.0 - self.swing * math.cos(2.0 * math.pi * at / self.period))


@dataclass(frozen=True, slots=True)
class MeshSpec:
    """
    A mesh: most of it, or all, in one namespace. Names of services are unique in it.

    Attributes:
        namespace: of the load, and of services that name no other.
        hop: median seconds between a caller's and a callee's sidecar; ``hop_spread`` the sigma of its lognormal.
        retries: attempts after the first when no pod was reached or it answered 503 (0 to 2).
        timeout: seconds after which a caller gives up; both sidecars then count code 0 with flag DC.
        connect_timeout: seconds until a call to a frozen sidecar fails with flag UF.
        propagation: least and most seconds until callers learn of a change of endpoints.
        overdispersion: variance of a gamma factor of mean 1 on each pod's error rate, drawn anew each second; 0 = none.
        flush: seconds between two hand-overs of a sidecar's histograms to its metrics page; counters are immediate.
        traced: share of the requests that enter the mesh of which every hop has a span.
        step: seconds of one time step; scrapes and changes take effect at step borders.
    """

    namespace: str
    services: tuple[ServiceSpec, ...]
    workloads: tuple[WorkloadSpec, ...]
    sources: tuple[SourceSpec, ...]
    nodes: tuple[tuple[str, str], ...] = (("n1", "zone-a"), ("n2", "zone-b"))
    balancing: Balancing = Balancing.LEAST_REQUEST
    hop: float = 0.004
    hop_spread: float = 0.5
    retries: int = 0
    timeout: float = 5.0
    connect_timeout: float = 1.0
    propagation: tuple[float, float] = (1.0, 2.0)
    overdispersion: float = 0.0
    flush: float = 5.0
    traced: float = 0.01
    step: float = 0.1

    def __post_init__(self) -> None:
        names = {service.name for service in self.services}
        called = {name for service in self.services for name in service.calls} | {s.target for s in self.sources}
        if unknown := sorted(called - names):
            raise ValueError(f"called but not described: {', '.join(unknown)}")
        if len(names) < len(self.services):
            raise ValueError("two services have the same name")
        if not 0 <= self.retries <= 2:
            raise ValueError(f"retries must be 0, 1 or 2, not {self.retries}")

    def namespace_of(self, service: str) -> str:
        """Where a service lives; the load lives in the mesh's own namespace."""
        return next((spec.namespace for spec in self.services if spec.name == service), "") or self.namespace

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that hold something, the mesh's own first."""
        return tuple(
            dict.fromkeys([self.namespace, *(service.namespace or self.namespace for service in self.services)])
        )


@dataclass(frozen=True, slots=True)
class ScrapeSpec:
    """
    How Prometheus scrapes.

    Attributes:
        interval: seconds between scrapes of one target; each target has an offset of its own.
        lost: share of scrapes that never take place (no sample, no staleness marker).
        failed: share of scrapes that fail (``up`` 0, every series stale).
        discovery: seconds between two looks at the pods.
        map_pod_labels: pod labels become labels of the target, so that a changed label makes new series.
        float_bounds: histogram bounds read ``5.0`` as Prometheus 3 writes them; else ``5``.
        bounds: histogram bounds kept, milliseconds; all when empty.
        retention: seconds kept.
        replicas: Prometheus servers behind one address, each with its own offsets, answering in turn.
    """

    interval: float = 1.0
    lost: float = 0.0
    failed: float = 0.0
    discovery: float = 5.0
    map_pod_labels: bool = False
    float_bounds: bool = True
    bounds: tuple[float, ...] = ()
    retention: float = 3600.0
    replicas: int = 1


def shop(rate: float = 12.0) -> MeshSpec:
    """The lab's shop: load -> front -> catalog, cart, pay; catalog and cart -> store; pay runs two versions."""
    return MeshSpec(
        namespace="shop",
        services=(
            ServiceSpec("front", calls=("catalog", "cart", "pay")),
            ServiceSpec("catalog", calls=("store",)),
            ServiceSpec("cart", calls=("store",)),
            ServiceSpec("pay"),
            ServiceSpec("store"),
        ),
        workloads=(
            WorkloadSpec("front-v1", "front", "v1", 3),
            WorkloadSpec("catalog-v1", "catalog", "v1", 4),
            WorkloadSpec("cart-v1", "cart", "v1", 4),
            WorkloadSpec("pay-v1", "pay", "v1", 3),
            WorkloadSpec("pay-v2", "pay", "v2", 2),
            WorkloadSpec("store-v1", "store", "v1", 3),
            WorkloadSpec("load", "load", "v1", 1),
        ),
        sources=(SourceSpec("load", "front", rate),),
    )


@dataclass(slots=True)
class Load:
    """The load as it is now: sources, and surges and a factor that may be changed while the mesh runs."""

    sources: Sequence[SourceSpec]
    factor: float = 1.0
    surges: list[Surge] = field(default_factory=list)

    def surge(self, factor: float, since: float, until: float) -> None:
        """Multiply the load for a while."""
        self.surges.append(Surge(factor, since, until))

    def factor_at(self, at: float) -> float:
        """The product of all that is in force."""
        return self.factor * math.prod(s.factor for s in self.surges if s.since <= at < s.until)
