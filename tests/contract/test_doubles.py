"""
The doubles of ``tests/support`` beside what they stand for: what tests rely on must be true of both.

Doubles of the journal, the inbox, the approvals and the catalogue run in the suites of these.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from observer.actuators.drain import DrainActuator
from observer.actuators.kill_switch import ConfigMapSwitch
from observer.actuators.lease_store import KubeLeaseStore
from observer.config.settings.model import LeaseSettings
from observer.config.settings.sources import KubernetesSettings, PrometheusSettings
from observer.domain.action import Action, ActionKind
from observer.domain.errors import SourceUnavailable, SwitchChanged
from observer.domain.ids import PodRef, ServiceRef, Target
from observer.domain.outcome import Result
from observer.domain.person import Identity
from observer.kube.reviews import KubeAccessReviews, KubeTokenReviews
from observer.ports.actuators import Actuator, KillSwitch
from observer.ports.sources import Clock, Cluster, MetricSource
from observer.ports.stores import Lease
from observer.runtime.clock import SystemClock
from observer.runtime.leader import LeaseElector
from observer.simulator.clock import SimClock
from observer.simulator.kubernetes import objects
from observer.simulator.kubernetes.api import API
from observer.simulator.kubernetes.store import Store
from observer.sources.kubernetes.cluster import KubernetesCluster
from observer.sources.prometheus.source import PrometheusSource
from tests.support import mesh, people
from tests.support.alerts import StoppedClock
from tests.support.builders import catalog, cluster
from tests.support.fakes import FakeActuator, FakeClock, FakeCluster, FakeLease, FakeMetrics, FakeSwitch
from tests.support.kube_sim import QuickClock, SimulatedKube, connected, running, simulated_kube, until
from tests.support.metric_worlds import simulated_world, target
from tests.support.ports import free_port

BOTH = ("ours", "double")
SERVICES = frozenset({ServiceRef("shop", "cart")})


@pytest.mark.parametrize(
    "clock",
    [SystemClock(), SimClock(speed=100.0), FakeClock(), StoppedClock(), QuickClock()],
    ids=lambda clock: type(clock).__name__,
)
async def test_clocks_go_forward_while_somebody_sleeps(clock: Clock) -> None:
    now, ticks = clock.now(), clock.monotonic()
    await clock.sleep(0.005)

    assert clock.now() > now
    assert clock.monotonic() > ticks
    before = clock.now()
    await clock.sleep(-1.0)
    assert clock.now() >= before, "a wait that is over already takes no time and gives none back"


@pytest.fixture
async def kube(tmp_path: Path) -> AsyncIterator[SimulatedKube]:
    async with simulated_kube(objects.shop_objects([("cart", "v1", 1)]), speed=100.0) as server:
        yield server


@pytest.fixture(params=BOTH)
async def switch(request: pytest.FixtureRequest, kube: SimulatedKube, tmp_path: Path) -> AsyncIterator[KillSwitch]:
    if request.param == "double":
        yield FakeSwitch()
        return
    async with connected(tmp_path, kube.url) as api:
        made = ConfigMapSwitch(api, objects.OBSERVER_NAMESPACE)
        await made.ensure()
        yield made


async def test_a_switch_says_who_threw_it_and_why(switch: KillSwitch) -> None:
    assert await switch.read() == (False, "")
    await switch.write(paused=True, who="ann", reason="storm")
    paused, why = await switch.read()
    reading = await switch.look()

    assert paused and "ann" in why and why.endswith(": storm")
    assert (reading.paused, reading.why) == (paused, why)


async def test_a_switch_is_not_written_over_what_nobody_has_read(switch: KillSwitch) -> None:
    old = await switch.look()
    assert old.version
    await switch.write(paused=True, who="ann", reason="storm")
    with pytest.raises(SwitchChanged, match="storm") as changed:
        await switch.write(paused=False, who="ada", reason="", over=old.version)

    assert changed.value.paused
    await switch.write(paused=True, who="ada", reason="mine", over=(await switch.look()).version)
    assert (await switch.look()).why.endswith(": mine")


@pytest.fixture(params=BOTH)
async def lease(request: pytest.FixtureRequest, kube: SimulatedKube, tmp_path: Path) -> AsyncIterator[Lease]:
    if request.param == "double":
        yield FakeLease(term=1)
        return
    settings = LeaseSettings(identity="a", duration=15.0, renew_deadline=10.0, retry=0.2)
    async with connected(tmp_path, kube.url) as api:
        store = KubeLeaseStore(api, objects.OBSERVER_NAMESPACE, "observer")
        elector = LeaseElector(store, settings, SystemClock(), random=Random(1))
        async with running(elector.run):
            await until(elector.held)
            yield elector


async def test_a_leader_has_a_term(lease: Lease) -> None:
    assert lease.held()
    assert lease.term == 1


@pytest.fixture(params=BOTH)
async def actuator(
    request: pytest.FixtureRequest, kube: SimulatedKube, tmp_path: Path
) -> AsyncIterator[tuple[Actuator, PodRef]]:
    if request.param == "double":
        yield FakeActuator(), PodRef("shop", "cart-1", "u1")
        return
    await until(lambda: kube.store.list("pods", "shop"))
    meta = kube.store.list("pods", "shop")[0]["metadata"]
    async with connected(tmp_path, kube.url) as api:
        yield DrainActuator(api, by="observer-0"), PodRef("shop", meta["name"], meta["uid"])


async def test_an_actuator_answers_with_the_id_of_the_act(actuator: tuple[Actuator, PodRef]) -> None:
    acts, pod = actuator
    drain = Action(ActionKind.DRAIN, "i1", Target.of(pod), expires=time.time() + 60.0, term=1)
    done, looked_up = await acts.apply(drain), await acts.look_up(drain)

    assert (done.action_id, done.result) == (drain.id, Result.APPLIED)
    assert (looked_up.action_id, looked_up.result) == (drain.id, Result.APPLIED)


@pytest.fixture(params=BOTH)
async def followed(
    request: pytest.FixtureRequest, kube: SimulatedKube, tmp_path: Path
) -> AsyncIterator[tuple[Cluster, PodRef, Callable[[str], object]]]:
    """A cluster, a pod of it, and how its container comes to log something."""
    if request.param == "double":
        double = FakeCluster(shown=cluster(catalog(1)))
        pod = next(iter(double.view(1.0).pods))
        double.raw = {"metadata": {"name": pod.name, "uid": pod.uid}, "spec": {}}
        yield double, pod, lambda text: setattr(double, "logs", text)
        return
    async with connected(tmp_path, kube.url) as api:
        ours = KubernetesCluster(api, KubernetesSettings(), clock=SystemClock(), random=Random(1))
        async with running(ours.run):
            await ours.synced(60)
            await until(lambda: any(pod.ready for pod in ours.view(1.0).pods.values() if pod.ref.namespace == "shop"))
            pod = next(ref for ref in ours.view(1.0).pods if ref.namespace == "shop")

            def write(text: str) -> None:
                for line in text.splitlines():
                    kube.app[API].logs.write(pod.uid, "app", line)

            yield ours, pod, write


async def test_a_cluster_shows_its_pods_as_of_the_instant_asked(followed: tuple[Cluster, PodRef, Any]) -> None:
    watched, pod, _ = followed

    assert watched.view(123.0).at == 123.0
    assert pod in watched.view(123.0).pods


async def test_a_pod_is_read_by_its_incarnation(followed: tuple[Cluster, PodRef, Any]) -> None:
    watched, pod, _ = followed
    raw = await watched.pod_now(pod)

    assert raw is not None and isinstance(raw["metadata"], dict)
    assert raw["metadata"]["uid"] == pod.uid
    assert await watched.pod_now(replace(pod, uid="another")) is None


async def test_the_end_of_a_log_is_read_in_lines_and_bytes(followed: tuple[Cluster, PodRef, Any]) -> None:
    watched, pod, write = followed
    write("first\nsecond\nthird\n")

    assert await watched.pod_logs(pod, "app", 2, 1000) == "second\nthird\n"
    assert await watched.pod_logs(pod, "app", 2, 6) == "third\n"


async def test_events_of_a_pod_are_objects(followed: tuple[Cluster, PodRef, Any]) -> None:
    watched, pod, _ = followed

    assert all(event.get("reason") for event in await watched.pod_events(pod))


@pytest.fixture(params=BOTH)
async def metrics(request: pytest.FixtureRequest) -> AsyncIterator[tuple[MetricSource, MetricSource]]:
    """A source that answers, and one that cannot."""
    async with simulated_world() as world:
        await world.show({target("shop", "cart-1"): [("istio_requests_total", {"reporter": "destination"}, 5.0)]})
        ours = PrometheusSource(world.settings)
        nobody = PrometheusSource(PrometheusSettings(url=f"http://127.0.0.1:{free_port()}", timeout=1.0))
        if request.param == "ours":
            yield ours, nobody
        else:
            frame, callers = await ours.counters(world.at), await ours.callers(world.at, SERVICES)
            down = SourceUnavailable("refused", reason="refused")
            yield FakeMetrics(frame, callers), FakeMetrics(down, down)
        await ours.close()
        await nobody.close()


async def test_counters_are_of_the_instant_asked_and_raise_what_is_expected(
    metrics: tuple[MetricSource, MetricSource],
) -> None:
    answering, silent = metrics
    frame = await answering.counters(1_700_000_003.0)

    assert frame.at == 1_700_000_003.0
    assert frame.pods == (("shop", "cart-1"),)
    assert (await answering.callers(1_700_000_003.0, SERVICES)).watched == SERVICES
    with pytest.raises(SourceUnavailable):
        await silent.counters(1.0)
    with pytest.raises(SourceUnavailable):
        await silent.callers(1.0, SERVICES)


@pytest.fixture(params=BOTH)
def pods(request: pytest.FixtureRequest) -> Any:
    """A store of pods: itself, and how one is put and taken away."""
    if request.param == "double":
        store = mesh.TinyStore()
        return store, store.put, store.remove
    ours = Store(SimClock(), seed=1)
    ours.add(objects.namespace("shop"))

    def put(obj: mesh.Obj) -> None:
        name = obj["metadata"]["name"]
        if ours.get("pods", "shop", name) is None:
            ours.create("pods", obj, take=True)
        else:
            ours.update("pods", obj)

    return ours, put, lambda obj: ours.delete("pods", "shop", obj["metadata"]["name"])


def test_a_store_tells_of_each_change_after_it(pods: Any) -> None:
    store, put, remove = pods
    heard: list[tuple[str, str, int]] = []
    store.subscribe(lambda plural, kind, obj: heard.append((kind, obj["metadata"]["name"], len(store.list(plural)))))
    cart = mesh.pod("cart-1", "cart", "10.0.0.1")
    put(cart)
    put(mesh.labelled(cart, colour="blue"))
    assert store.list("pods")[0]["metadata"]["labels"]["colour"] == "blue"
    remove(cart)

    assert heard == [("ADDED", "cart-1", 1), ("MODIFIED", "cart-1", 1), ("DELETED", "cart-1", 0)]
    assert store.list("nodes") == []


@pytest.fixture(params=BOTH)
async def known(request: pytest.FixtureRequest, kube: SimulatedKube, tmp_path: Path) -> AsyncIterator[Any]:
    """Whose token it is, and what they may do."""
    if request.param == "double":
        double = people.Cluster()
        double.tokens["t"], double.grants["vera"] = Identity("vera", ("system:authenticated",)), {"get"}
        yield double, double
        return
    kube.faults.tokens["t"] = "vera"
    kube.faults.grants["vera"] = {"get observers.observer.dev"}
    async with connected(tmp_path, kube.url, token="t") as api:
        yield KubeTokenReviews(api, FakeClock()), KubeAccessReviews(api)


async def test_people_are_known_by_their_tokens_and_grants(known: Any) -> None:
    tokens, roles = known
    vera = await tokens.identified("t")

    assert vera.name == "vera"
    assert await tokens.identified("another") is None
    assert await roles.allowed(vera, "get")
    assert not await roles.allowed(vera, "admin")
    assert not await roles.allowed(Identity("nemo", ()), "get")
