"""Writes against a simulated API server that fails in the middle of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from observer.actuators.evict import EvictActuator
from observer.actuators.kill_switch import ConfigMapSwitch
from observer.actuators.lease_store import KubeLeaseStore
from observer.actuators.restore import restore_expired
from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.errors import ActuatorUnavailable, SourceUnavailable
from observer.domain.ids import PodRef, Target
from observer.domain.outcome import Result
from observer.kube.client import KubeApi
from observer.ports.stores import LeaseRecord
from observer.simulator.kubernetes import objects as kube_objects
from observer.simulator.kubernetes.api import API
from observer.simulator.kubernetes.faults import THROTTLED, Answer, Hang, Reset
from tests.support.actuators import DrainAndRestore
from tests.support.kube_sim import SimulatedKube, connected, simulated_kube, until
from tests.support.kube_worlds import is_ready

NOW = 1_800_000_000.0


@dataclass
class Bench:
    """A server with one Ready pod of two, and both actuators."""

    kube: SimulatedKube
    api: KubeApi
    pod: PodRef

    @property
    def drain(self) -> DrainAndRestore:
        return DrainAndRestore(self.api, by="observer-0")

    @property
    def evict(self) -> EvictActuator:
        return EvictActuator(self.api)

    def act(self, action_kind: ActionKind, **changes: Any) -> Action:
        return Action(action_kind, "i1", Target.of(self.pod), **{"expires": NOW} | changes)

    def meta(self) -> dict[str, Any]:
        found = self.kube.store.get("pods", "shop", self.pod.name)
        assert found is not None
        return dict(found["metadata"])

    def alive(self) -> bool:
        found = self.kube.store.get("pods", "shop", self.pod.name)
        return found is not None and "deletionTimestamp" not in found["metadata"]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with benched(tmp_path) as found:
        yield found


@asynccontextmanager
async def benched(folder: Path) -> AsyncIterator[Bench]:
    objects = kube_objects.shop_objects([("cart", "v1", 2)])
    async with simulated_kube(objects, speed=50.0) as kube, connected(folder, kube.url, timeout=1.0) as api:

        def ready() -> list[dict[str, Any]]:
            return [pod for pod in kube.store.list("pods", "shop") if is_ready(pod)]

        await until(lambda: len(ready()) == 2)
        meta = ready()[0]["metadata"]
        yield Bench(kube, api, PodRef("shop", meta["name"], meta["uid"]))


ACTION_KINDS = [(ActionKind.DRAIN, "patch", "pods"), (ActionKind.EVICT, "create", "pods/eviction")]


@pytest.mark.parametrize(("action_kind", "verb", "resource"), ACTION_KINDS)
@pytest.mark.parametrize("effect", [Reset(), Hang(5), Answer(500), Answer(503), Answer(504)], ids=str)
async def test_a_write_without_a_clear_answer_is_looked_up(
    bench: Bench, action_kind: ActionKind, verb: str, resource: str, effect: Any
) -> None:
    actuator = bench.drain if action_kind is ActionKind.DRAIN else bench.evict
    bench.kube.faults.on(verb, resource, effect, times=1)
    with pytest.raises(ActuatorUnavailable):
        await actuator.apply(bench.act(action_kind))
    outcome = await actuator.look_up(bench.act(action_kind))
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "not_applied")
    assert len(bench.kube.asked(verb, resource)) == 1, "nothing was repeated on its own"
    assert (await actuator.apply(bench.act(action_kind))).result is Result.APPLIED


@pytest.mark.parametrize(("action_kind", "verb", "resource"), ACTION_KINDS)
async def test_a_write_that_happened_although_its_answer_was_lost_is_found(
    bench: Bench, action_kind: ActionKind, verb: str, resource: str
) -> None:
    actuator = bench.drain if action_kind is ActionKind.DRAIN else bench.evict
    bench.kube.faults.on(verb, resource, Reset(after=True), times=1)
    with pytest.raises(ActuatorUnavailable):
        await actuator.apply(bench.act(action_kind))
    outcome = await actuator.look_up(bench.act(action_kind))
    assert (outcome.result, outcome.reason) == (Result.APPLIED, "applied")


@pytest.mark.parametrize(("action_kind", "verb", "resource"), ACTION_KINDS)
@pytest.mark.parametrize(
    ("effect", "result", "reason"),
    [
        (THROTTLED, Result.DEFERRED, "api_priority"),
        (Answer(403, "admission webhook says no"), Result.REFUSED, "forbidden"),
        (Answer(404), Result.SUPERSEDED, "gone"),
        (Answer(409), Result.DEFERRED, "lost_race"),
        (Answer(400), Result.REFUSED, "rejected"),
    ],
)
async def test_a_refusal_has_an_outcome_and_changes_nothing(
    bench: Bench, action_kind: ActionKind, verb: str, resource: str, effect: Any, result: Result, reason: str
) -> None:
    bench.kube.faults.on(verb, resource, effect, times=1)
    actuator = bench.drain if action_kind is ActionKind.DRAIN else bench.evict
    outcome = await actuator.apply(bench.act(action_kind))
    assert (outcome.result, outcome.reason) == (result, reason)
    assert bench.alive()
    assert names.DRAIN_LABEL not in bench.meta()["labels"]


@pytest.mark.parametrize("action_kind", [ActionKind.DRAIN, ActionKind.RESTORE, ActionKind.EVICT])
@pytest.mark.parametrize(
    ("effect", "result", "reason"),
    [
        (Reset(), Result.DEFERRED, "unreadable"),
        (Answer(500), Result.DEFERRED, "unreadable"),
        (Answer(403), Result.REFUSED, "forbidden"),
    ],
)
async def test_without_a_look_nothing_is_written(
    bench: Bench, action_kind: ActionKind, effect: Any, result: Result, reason: str
) -> None:
    bench.kube.faults.on("get", "pods", effect)
    actuator = bench.evict if action_kind is ActionKind.EVICT else bench.drain
    outcome = await actuator.apply(bench.act(action_kind))
    assert (outcome.result, outcome.reason) == (result, reason)
    with pytest.raises(ActuatorUnavailable):
        await actuator.look_up(bench.act(action_kind))
    assert bench.kube.asked("patch", "pods") == []
    assert bench.kube.asked("create", "pods/eviction") == []


async def test_a_pod_that_changes_between_look_and_write_is_deferred(bench: Bench) -> None:
    """422 of the failed ``test``: looked at again, and told apart from a patch that is refused for good."""

    class Racing(KubeApi):
        async def request(self, method: str, path: str, **rest: Any) -> Any:
            if method == "PATCH":
                bench.kube.store.modify("pods", "shop", bench.pod.name, change)
            return await bench.api.request(method, path, **rest)

    def change(pod: dict[str, Any]) -> None:
        pod["metadata"]["labels"]["touched"] = str(int(pod["metadata"]["labels"].get("touched", "0")) + 1)

    racing: Any = Racing.__new__(Racing)
    outcome = await DrainAndRestore(racing, by="o").apply(bench.act(ActionKind.DRAIN))
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "lost_race")
    bench.kube.faults.on("patch", "pods", Answer(422, "label is not valid"), times=1)
    outcome = await bench.drain.apply(bench.act(ActionKind.DRAIN))
    assert (outcome.result, outcome.reason) == (Result.REFUSED, "rejected")


async def test_label_and_note_are_never_seen_apart(bench: Bench) -> None:
    seen: list[tuple[bool, bool]] = []

    def look(plural: str, _kind: str, obj: dict[str, Any]) -> None:
        if plural == "pods" and obj["metadata"]["uid"] == bench.pod.uid:
            meta = obj["metadata"]
            seen.append((names.DRAIN_LABEL in meta["labels"], names.DRAIN_ANNOTATION in meta.get("annotations", {})))

    bench.kube.store.subscribe(look)
    await bench.drain.apply(bench.act(ActionKind.DRAIN))
    await bench.drain.apply(bench.act(ActionKind.RESTORE))
    assert seen == [(True, True), (False, False)]


async def test_a_second_drain_of_ours_renews_the_note(bench: Bench) -> None:
    await bench.drain.apply(bench.act(ActionKind.DRAIN))
    later = Action(ActionKind.DRAIN, "i2", Target.of(bench.pod), expires=NOW + 60)
    assert (await bench.drain.apply(later)).result is Result.APPLIED
    assert '"incident": "i2"' in bench.meta()["annotations"][names.DRAIN_ANNOTATION]
    outcome = await bench.drain.look_up(bench.act(ActionKind.DRAIN))
    assert outcome.result is Result.DEFERRED, "the first incident drains it no more"


async def test_a_spoiled_note_does_not_keep_a_pod_drained(bench: Bench) -> None:
    def spoil(pod: dict[str, Any]) -> None:
        pod["metadata"]["labels"][names.DRAIN_LABEL] = "true"
        pod["metadata"].setdefault("annotations", {})[names.DRAIN_ANNOTATION] = "{"

    bench.kube.store.modify("pods", "shop", bench.pod.name, spoil)
    told = dict(await restore_expired(bench.api, NOW))
    assert [outcome.result for outcome in told.values()] == [Result.APPLIED]
    assert names.DRAIN_ANNOTATION not in bench.meta()["annotations"]


async def test_restore_goes_on_after_a_pod_that_fails(bench: Bench) -> None:
    other = next(
        pod["metadata"]
        for pod in bench.kube.store.list("pods", "shop")
        if pod["metadata"]["uid"] != bench.pod.uid and pod["metadata"]["labels"].get("app") == "cart"
    )
    second = PodRef("shop", other["name"], other["uid"])
    for pod in (bench.pod, second):
        await bench.drain.apply(Action(ActionKind.DRAIN, "i1", Target.of(pod), expires=NOW))
    bench.kube.faults.on("patch", "pods", Reset(), name=bench.pod.name)
    told = dict(await restore_expired(bench.api, NOW + 1))
    assert told[str(bench.pod)].result is Result.UNKNOWN
    assert told[str(second)].result is Result.APPLIED
    bench.kube.faults.on("list", "pods", Answer(403))
    with pytest.raises(SourceUnavailable) as raised:
        await restore_expired(bench.api, NOW + 1)
    assert raised.value.reason == "denied"


async def test_an_eviction_is_never_a_delete(bench: Bench) -> None:
    for code in (429, 403, 404, 409, 422, 500, 503, 504):
        bench.kube.faults.on("create", "pods/eviction", Answer(code), times=1)
        try:
            await bench.evict.apply(bench.act(ActionKind.EVICT))
        except ActuatorUnavailable:
            continue
    assert bench.kube.app[API].deletes() == []
    assert bench.alive()


@pytest.mark.parametrize("effect", [Reset(), Hang(5), Answer(500), Answer(403), THROTTLED], ids=str)
async def test_a_kill_switch_that_cannot_be_read_is_thrown(bench: Bench, effect: Any) -> None:
    switch = ConfigMapSwitch(bench.api, "observer")
    assert await switch.read() == (False, "")
    bench.kube.faults.on("get", "configmaps", effect)
    paused, why = await switch.read()
    assert paused
    assert why.startswith("cannot be read: ")


async def test_a_kill_switch_that_cannot_be_written_says_so(bench: Bench) -> None:
    switch = ConfigMapSwitch(bench.api, "observer")
    bench.kube.faults.on("patch", "configmaps", Answer(403))
    with pytest.raises(ActuatorUnavailable, match="kill switch"):
        await switch.write(paused=True, who="ann", reason="now")
    bench.kube.faults.on("create", "configmaps", Answer(403))
    assert not await switch.ensure(), "not allowed to make it: the manifests do"
    bench.kube.faults.on("create", "configmaps", Reset())
    assert not await switch.ensure()


@pytest.mark.parametrize("effect", [Reset(), Hang(5), Answer(500), Answer(403)], ids=str)
async def test_a_lease_that_cannot_be_reached_is_unavailable(bench: Bench, effect: Any) -> None:
    store = KubeLeaseStore(bench.api, "observer", "observer", timeout=0.3)
    bench.kube.faults.on("*", "leases", effect)
    async with asyncio.timeout(5):
        with pytest.raises(SourceUnavailable):
            await store.read()
        with pytest.raises(SourceUnavailable):
            await store.swap(LeaseRecord("a", 1, 15.0, "2026-01-01T00:00:00.000000Z", ""))


async def test_a_lease_that_was_deleted_meanwhile_is_a_lost_race(bench: Bench) -> None:
    store = KubeLeaseStore(bench.api, "observer", "observer")
    written = await store.swap(LeaseRecord("a", 1, 15.0, "2026-01-01T00:00:00.000000Z", ""))
    assert written is not None
    bench.kube.faults.on("update", "leases", Answer(404))
    assert await store.swap(written) is None


async def test_a_namespace_that_is_missing_is_no_lost_race(bench: Bench) -> None:
    store = KubeLeaseStore(bench.api, "no-such-namespace", "observer")
    with pytest.raises(SourceUnavailable):
        await store.swap(LeaseRecord("a", 1, 15.0, "2026-01-01T00:00:00.000000Z", ""))
