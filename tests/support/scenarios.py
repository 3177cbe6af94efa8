"""
Families of faults, drawn for any mesh: what happens, and who is to blame for it.

Each is data: faults, load, rollouts. Probes stay green in all of them. ``InjectedFault.culprits`` holds the right
answers:
more than one only where nothing that can be seen tells them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from observer.domain.attribution import UNKNOWN, Cause, CauseKind, workload_cause
from observer.domain.ids import PodRef, ServiceRef
from observer.simulator.kubernetes import objects
from observer.simulator.mesh import faults
from observer.simulator.mesh.faults import Fault, Sidecar, Where
from observer.simulator.mesh.pods import MeshPod
from observer.simulator.mesh.topology import MeshSpec, ServiceSpec, Surge, WorkloadSpec
from observer.simulator.scenarios.world import World

T = TypeVar("T")

CANARY: Final = "v9"
"""Version of a revision that is rolled out as the fault begins."""
LASTS: Final = 3600.0
_WORKLOADS: Final = 3
"""A sick node has pods of at least so many services."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """New pods of ``workload`` are ``slow_factor`` slower and fail ``error_rate`` for their first ``seconds``."""

    workload: str
    error_rate: float
    slow_factor: float
    seconds: float


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """
    What happens from one instant on.

    Attributes:
        culprits: causes that are right to name; UNKNOWN among them means that naming nobody is right.
        pods: names of pods that may be removed for it; empty where removing a pod cures nothing.
        rate: share of the culprit's requests that fail, 0 where it is late instead.
        canary: a Deployment that is created. scale: a Deployment's new number of replicas.
        cold: how the pods are that come with it.
    """

    family: str
    culprits: frozenset[Cause]
    pods: frozenset[str] = frozenset()
    rate: float = 0.0
    faults: tuple[Fault, ...] = ()
    surges: tuple[Surge, ...] = ()
    canary: WorkloadSpec | None = None
    scale: tuple[str, int] | None = None
    cold: ColdStart | None = None


@dataclass(frozen=True)
class Scene:
    """Where something is to happen: the mesh, its living pods (the load's left out), when, and what decides chance."""

    spec: MeshSpec
    pods: Sequence[MeshPod]
    since: float
    draw: np.random.Generator

    @property
    def until(self) -> float:
        return self.since + LASTS

    def service(self) -> ServiceSpec:
        """Any but the entry, which nobody but the load calls."""
        entries = {source.target for source in self.spec.sources}
        return self.one([service for service in self.spec.services if service.name not in entries])

    def ref(self, service: str) -> ServiceRef:
        return ServiceRef(self.spec.namespace_of(service), service)

    def workload(self, service: str) -> Cause:
        return workload_cause(self.ref(service))

    def pod(self) -> MeshPod:
        """Any pod that has siblings."""
        return self.one([pod for pod in self.pods if self.size(pod.identity.service) > 1])

    def size(self, service: str) -> int:
        return sum(pod.identity.service == service for pod in self.pods)

    def code(self) -> int:
        """A failure that nobody sends again."""
        return self.one((500, 500, 503)) if not self.spec.retries else 500

    def calls(self) -> list[tuple[str, str]]:
        return [(service.name, callee) for service in self.spec.services for callee in service.calls]

    def callers(self, service: str) -> list[str]:
        return [caller for caller, callee in self.calls() if callee == service]

    def edge(self, caller: str, callee: str) -> Cause:
        ends = self.ref(caller), self.ref(callee)
        return Cause(CauseKind.EDGE, ends[1].namespace, f"{caller}->{callee}", ends[0], None, ends[1])

    def one(self, of: Sequence[T]) -> T:
        """Any of these."""
        return of[int(self.draw.integers(len(of)))]

    def within(self, low: float, high: float) -> float:
        return float(self.draw.uniform(low, high))


def pod_cause(pod: MeshPod) -> Cause:
    """One pod, by its uid too."""
    own = pod.identity
    ref = PodRef(own.namespace, pod.name, pod.uid)
    return Cause(CauseKind.POD, own.namespace, pod.name, ServiceRef(own.namespace, own.service), ref)


def pod_errors(scene: Scene) -> InjectedFault:
    """One pod fails a part of its requests."""
    pod, rate = scene.pod(), scene.one((0.05, 0.1, 0.2, 0.5))
    return _of_pod("pod_errors", pod, rate, faults.pod_errors(pod.name, rate, scene.code(), since=scene.since))


def masked_errors(scene: Scene) -> InjectedFault:
    """One pod answers 503, which callers send again elsewhere: where they do, hardly anybody else sees it."""
    pod, rate = scene.pod(), scene.one((0.1, 0.2, 0.5))
    return _of_pod("masked_errors", pod, rate, faults.pod_errors(pod.name, rate, 503, since=scene.since))


def slow_pod(scene: Scene) -> InjectedFault:
    """One pod is late."""
    pod = scene.pod()
    return _of_pod("slow_pod", pod, 0.0, faults.pod_slow(pod.name, scene.one((0.15, 0.3, 0.6)), since=scene.since))


def black_hole(scene: Scene) -> InjectedFault:
    """One pod fails nearly everything at once, and so attracts more."""
    pod, rate = scene.pod(), scene.within(0.8, 1.0)
    where = Where(pods=frozenset({pod.name}))
    fault = Fault("hole", where, rate, scene.code(), slow_factor=0.05, since=scene.since)
    return _of_pod("black_hole", pod, rate, fault)


def flapping(scene: Scene) -> InjectedFault:
    """One pod fails for some seconds, then is well for as long, again and again."""
    pod, rate, half = scene.pod(), scene.within(0.2, 0.6), scene.within(10.0, 25.0)
    starts = np.arange(scene.since, scene.since + 900.0, 2.0 * half).tolist()
    waves = [
        replace(faults.pod_errors(pod.name, rate, since=at, until=at + half), name=f"flap:{number}")
        for number, at in enumerate(starts)
    ]
    return _of_pod("flapping", pod, rate, *waves)


def sidecar_down(scene: Scene) -> InjectedFault:
    """One pod's sidecar is dead or hangs."""
    pod = scene.pod()
    state = scene.one((Sidecar.DEAD, Sidecar.FROZEN))
    fault = Fault("sidecar", Where(pods=frozenset({pod.name})), sidecar=state, since=scene.since)
    return _of_pod("sidecar_down", pod, 1.0, fault)


def _of_pod(family: str, pod: MeshPod, rate: float, *injected: Fault) -> InjectedFault:
    return InjectedFault(family, frozenset({pod_cause(pod)}), frozenset({pod.name}), rate, injected)


def bad_revision(scene: Scene) -> InjectedFault:
    """A new version is rolled out to a tenth to a half of a service's pods; all of it fails."""
    service, share, rate = scene.service(), scene.within(0.1, 0.5), scene.within(0.05, 0.5)
    size = max(round(scene.size(service.name) * share / (1.0 - share)), 1)
    canary = WorkloadSpec(f"{service.name}-{CANARY}", service.name, CANARY, size)
    fault = faults.revision_bad(service.name, CANARY, rate, since=scene.since)
    home = scene.ref(service.name)
    cause = Cause(CauseKind.REVISION, home.namespace, canary.name, home)
    return InjectedFault("bad_revision", frozenset({cause}), rate=rate, faults=(fault,), canary=canary)


def bad_node(scene: Scene) -> InjectedFault:
    """Every pod on one node fails, whatever its workload."""
    on: dict[str, set[str]] = defaultdict(set)
    for pod in scene.pods:
        on[pod.node].add(pod.identity.service)
    node = scene.one(sorted(name for name, services in on.items() if len(services) >= _WORKLOADS))
    rate = scene.within(0.1, 0.4)
    fault = faults.node_bad(node, rate, since=scene.since)
    return InjectedFault("bad_node", frozenset({Cause(CauseKind.NODE, "", node)}), rate=rate, faults=(fault,))


def edge_loss(scene: Scene) -> InjectedFault:
    """The way from one service to another loses requests. With one caller nobody can tell it from the callee."""
    caller, callee = scene.one(scene.calls())
    share = scene.within(0.1, 0.5)
    right = {scene.edge(caller, callee)}
    if scene.callers(callee) == [caller]:
        right.add(scene.workload(callee))
    return InjectedFault("edge_loss", frozenset(right), rate=share, faults=(_lossy(scene, caller, callee, share),))


def _lossy(scene: Scene, caller: str, callee: str, share: float) -> Fault:
    return faults.edge_loss(caller, callee, share, since=scene.since)


def config_push(scene: Scene) -> InjectedFault:
    """A wrong route: a part of everybody's requests to one service leads nowhere."""
    service, share = scene.service().name, scene.within(0.1, 0.6)
    right = {scene.workload(service)}
    if len(callers := scene.callers(service)) == 1:
        right.add(scene.edge(callers[0], service))
    fault = faults.route_lost(service, share, since=scene.since)
    return InjectedFault("config_push", frozenset(right), rate=share, faults=(fault,))


def bad_caller(scene: Scene) -> InjectedFault:
    """One service asks for what its callee cannot answer. With one caller nobody can tell it from the callee."""
    shared = [call for call in scene.calls() if len(scene.callers(call[1])) > 1]
    caller, callee = scene.one(shared or scene.calls())
    rate, home = scene.within(0.1, 0.5), scene.ref(caller)
    right = {Cause(CauseKind.CALLER, home.namespace, caller, home, None, scene.ref(callee))}
    if not shared:
        right |= {scene.workload(callee), scene.workload(caller)}
    fault = faults.caller_bad(caller, callee, rate, since=scene.since)
    return InjectedFault("bad_caller", frozenset(right), rate=rate, faults=(fault,))


def slow_dependency(scene: Scene) -> InjectedFault:
    """All pods of one service are late."""
    service = scene.service().name
    fault = replace(
        faults.dependency_bad(service, 0.0, since=scene.since), slow_seconds=scene.one((0.1, 0.2, 0.5)), name="slow"
    )
    return InjectedFault("slow_dependency", frozenset({scene.workload(service)}), faults=(fault,))


def failing_dependency(scene: Scene) -> InjectedFault:
    """All pods of one service fail alike."""
    service, rate = scene.service().name, scene.one((0.05, 0.1, 0.3, 0.8))
    fault = faults.dependency_bad(service, rate, since=scene.since)
    return InjectedFault("failing_dependency", frozenset({scene.workload(service)}), rate=rate, faults=(fault,))


def namespace_outage(scene: Scene) -> InjectedFault:
    """Every service of one namespace fails: no pod is to blame; naming one of the services, or nobody, is right."""
    homes = [scene.spec.namespace_of(service.name) for service in scene.spec.services]
    space = scene.one(sorted({home for home in homes if home != scene.spec.namespace} or set(homes)))
    inside = [service.name for service, home in zip(scene.spec.services, homes, strict=True) if home == space]
    rate = scene.within(0.2, 0.9)
    right = {UNKNOWN, *(scene.workload(service) for service in inside)}
    outages = tuple(faults.dependency_bad(service, rate, since=scene.since) for service in inside)
    return InjectedFault("namespace_outage", frozenset(right), rate=rate, faults=outages)


def load_surge(scene: Scene) -> InjectedFault:
    """The load doubles or trebles, and one service, all of it, can hardly bear it."""
    service = scene.service().name
    rate = scene.within(0.01, 0.05)
    fault = replace(
        faults.dependency_bad(service, rate, 503, since=scene.since), slow_factor=scene.within(1.5, 3.0), name="surge"
    )
    surge = Surge(scene.within(2.0, 3.0), scene.since, scene.until)
    right = frozenset({UNKNOWN, scene.workload(service)})
    return InjectedFault("load_surge", right, rate=rate, faults=(fault,), surges=(surge,))


def cold_start(scene: Scene) -> InjectedFault:
    """A service is scaled up, and its new pods are slow and fail for half a minute. Nobody is to blame for long."""
    service = scene.service().name
    workload = scene.one([workload for workload in scene.spec.workloads if workload.service == service])
    cold = ColdStart(workload.name, scene.within(0.05, 0.2), scene.within(4.0, 10.0), 30.0)
    right = frozenset({UNKNOWN, scene.workload(service)})
    return InjectedFault("cold_start", right, scale=(workload.name, workload.replicas + 2), cold=cold)


def quiet(_: Scene) -> InjectedFault:
    """Nothing at all."""
    return InjectedFault("quiet", frozenset({UNKNOWN}))


FAMILIES: Final[Mapping[str, Callable[[Scene], InjectedFault]]] = {
    one.__name__: one
    for one in (
        pod_errors, masked_errors, slow_pod, black_hole, flapping, sidecar_down, bad_revision, bad_node, edge_loss,
        config_push, bad_caller, slow_dependency, failing_dependency, namespace_outage, load_surge, cold_start, quiet,
    )
}  # fmt: skip
OF_ONE_POD: Final = frozenset({"pod_errors", "slow_pod", "black_hole", "flapping"})
"""Families in which one pod should go."""
OF_MANY: Final = frozenset(FAMILIES) - OF_ONE_POD - {"sidecar_down", "masked_errors"}
"""Families in which no pod should go: what is wrong is shared, or nothing is."""


def scene_of(world: World, since: float, draw: np.random.Generator) -> Scene:
    """A running world as a scene."""
    outside = {source.workload for source in world.spec.sources}
    pods = [pod for pod in world.mesh.pods.living() if pod.ready and pod.identity.service not in outside]
    return Scene(world.spec, sorted(pods, key=lambda pod: (pod.identity.service, pod.name)), since, draw)


def begin(world: World, injury: InjectedFault) -> None:
    """Set faults and load, create and scale what is to be created and scaled."""
    world.mesh.faults.set(*injury.faults)
    world.mesh.load.surges.extend(injury.surges)
    if (canary := injury.canary) is not None:
        home = world.spec.namespace_of(canary.service)
        labels = {"app": canary.service, "version": canary.version}
        world.store.add(objects.deployment(home, canary.name, labels, canary.replicas))
    if injury.scale is not None:
        name, replicas = injury.scale
        service = next(workload.service for workload in world.spec.workloads if workload.name == name)
        world.controllers.scale(world.spec.namespace_of(service), name, replicas)


def tend(world: World, injury: InjectedFault, names_before: frozenset[str]) -> None:
    """New pods of a cold workload are cold; ``known``: names of the pods from before. To be called now and then."""
    if (cold := injury.cold) is None:
        return
    standing = {fault.name for fault in world.mesh.faults.standing()}
    for pod in world.mesh.pods.living():
        name = f"cold:{pod.name}"
        if (
            pod.ready
            and pod.identity.workload == cold.workload
            and pod.name not in names_before
            and name not in standing
        ):
            where, now = Where(pods=frozenset({pod.name})), world.mesh.now
            until = now + cold.seconds
            fault = Fault(name, where, cold.error_rate, 503, slow_factor=cold.slow_factor, since=now, until=until)
            world.mesh.faults.set(fault)
