"""One suite for everything that writes, against a real API server and against the simulator's: they must agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import ANY

import pytest

from observer.actuators.evict import EvictActuator, eviction
from observer.actuators.kill_switch import ConfigMapSwitch
from observer.actuators.lease_store import KubeLeaseStore
from observer.actuators.restore import restore_expired
from observer.config.settings.model import LeaseSettings
from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import SwitchChanged
from observer.domain.ids import PodRef, Target, WorkloadRef
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.domain.severities import Severity
from observer.kube import paths
from observer.kube.drain_mark import DrainMark
from observer.kube.errors import Conflict, Invalid
from observer.kube.patches import draining, patch_pod, restoring
from observer.kube.target import LivePod, read_target
from observer.ports.actuators import SwitchReading
from observer.ports.stores import LeaseRecord
from observer.runtime.clock import SystemClock
from observer.runtime.leader import LeaseElector
from observer.runtime.operator_actions import pause_switch
from observer.sinks.kube_events import KubeEventSink
from tests.support.actuators import DrainAndRestore
from tests.support.kube_sim import running, until
from tests.support.kube_worlds import PATIENCE, SIDES, KubeWorld, kube_world, reference

STRANGER = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(params=SIDES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KubeWorld]:
    async with kube_world(request.param, tmp_path) as found:
        yield found


def act(
    action_kind: ActionKind, pod: PodRef, *, incident: str = "i1", seconds: float = 300.0, dry_run: bool = False
) -> Action:
    return Action(action_kind, incident, Target.of(pod), expires=time.time() + seconds, term=4, dry_run=dry_run)


def said(outcome: Outcome) -> tuple[Result, str]:
    return (outcome.result, outcome.reason)


async def marks(world: KubeWorld, pod: PodRef) -> tuple[str | None, str | None, str]:
    """Label, note and resourceVersion."""
    meta = (await world.pod(pod))["metadata"]
    label, note = meta.get("labels", {}).get(names.DRAIN_LABEL), meta.get("annotations", {}).get(names.DRAIN_ANNOTATION)
    return (label, note, meta["resourceVersion"])


async def target_of(world: KubeWorld, pod: PodRef) -> LivePod:
    found = await read_target(world.api, pod)
    assert found is not None
    return found


async def relabel(world: KubeWorld, pod: PodRef, value: str | None) -> None:
    """What a person does by hand."""
    path = paths.pod(pod.namespace, pod.name)
    await world.patch(path, {"metadata": {"labels": {names.DRAIN_LABEL: value}}}, manager="kubectl-label")


async def test_a_drain_writes_label_and_note_and_a_restore_takes_both(world: KubeWorld) -> None:
    pod, actuator = await world.bare_pod("p"), DrainAndRestore(world.api, by="observer-0")
    drain, restore = act(ActionKind.DRAIN, pod), act(ActionKind.RESTORE, pod)
    assert said(await actuator.look_up(drain)) == (Result.DEFERRED, "not_applied")
    assert said(await actuator.apply(drain)) == (Result.APPLIED, "applied")
    label, note, _ = await marks(world, pod)
    assert label == names.DRAIN_VALUE
    assert note is not None
    assert DrainMark.of(note) == DrainMark("i1", float(int(drain.expires)), "observer-0", 4)
    assert said(await actuator.look_up(drain)) == (Result.APPLIED, "applied")
    assert said(await actuator.look_up(restore)) == (Result.DEFERRED, "not_applied")
    assert said(await actuator.apply(restore)) == (Result.APPLIED, "applied")
    assert (await marks(world, pod))[:2] == (None, None)
    assert said(await actuator.look_up(restore)) == (Result.APPLIED, "applied")
    assert said(await actuator.apply(restore)) == (Result.APPLIED, "already")


async def test_other_labels_and_annotations_stay(world: KubeWorld) -> None:
    pod, actuator = await world.bare_pod("p", labels={"app": "x"}), DrainAndRestore(world.api, by="o")
    await world.patch(paths.pod(pod.namespace, pod.name), {"metadata": {"annotations": {"example.com/a": "b"}}})
    before = (await world.pod(pod))["metadata"]
    await actuator.apply(act(ActionKind.DRAIN, pod))
    await actuator.apply(act(ActionKind.RESTORE, pod))
    after = (await world.pod(pod))["metadata"]
    assert (after["labels"], after["annotations"]) == (before["labels"], before["annotations"])


async def test_a_dry_run_changes_nothing(world: KubeWorld) -> None:
    pod, actuator = await world.bare_pod("p"), DrainAndRestore(world.api, by="o")
    assert said(await actuator.apply(act(ActionKind.DRAIN, pod, dry_run=True))) == (Result.APPLIED, "applied")
    assert (await marks(world, pod))[:2] == (None, None)
    await actuator.apply(act(ActionKind.DRAIN, pod))
    assert said(await actuator.apply(act(ActionKind.RESTORE, pod, dry_run=True))) == (Result.APPLIED, "applied")
    assert (await marks(world, pod))[0] == names.DRAIN_VALUE


async def test_a_pod_that_a_person_took_is_left_alone(world: KubeWorld) -> None:
    pod, actuator = await world.bare_pod("p"), DrainAndRestore(world.api, by="o")
    await actuator.apply(act(ActionKind.DRAIN, pod))
    await relabel(world, pod, None)
    before = await marks(world, pod)
    assert before[1] is not None
    for action_kind in (ActionKind.RESTORE, ActionKind.DRAIN):
        assert said(await actuator.apply(act(action_kind, pod))) == (Result.SUPERSEDED, "person_took_it")
        assert said(await actuator.look_up(act(action_kind, pod))) == (Result.SUPERSEDED, "person_took_it")
    told = dict(await restore_expired(world.api, time.time() + 1000, only=f"{pod.namespace}/{pod.name}", force=True))
    assert said(told[str(pod)]) == (Result.SUPERSEDED, "person_took_it")
    assert await marks(world, pod) == before, "nothing was written"


async def test_a_drain_of_somebody_else_is_left_alone(world: KubeWorld) -> None:
    pod, actuator = await world.bare_pod("p"), DrainAndRestore(world.api, by="o")
    await relabel(world, pod, "yes")
    before = await marks(world, pod)
    assert said(await actuator.apply(act(ActionKind.DRAIN, pod))) == (Result.SUPERSEDED, "drained_by_other")
    assert said(await actuator.apply(act(ActionKind.RESTORE, pod))) == (Result.SUPERSEDED, "not_ours")
    assert said(await actuator.look_up(act(ActionKind.DRAIN, pod))) == (Result.DEFERRED, "not_applied")
    assert await marks(world, pod) == before


async def test_only_the_incident_that_drained_it_gives_it_back(world: KubeWorld) -> None:
    pod, actuator = await world.bare_pod("p"), DrainAndRestore(world.api, by="o")
    await actuator.apply(act(ActionKind.DRAIN, pod))
    outcome = await actuator.apply(act(ActionKind.RESTORE, pod, incident="i2"))
    assert said(outcome) == (Result.SUPERSEDED, "other_incident")
    assert (await marks(world, pod))[0] == names.DRAIN_VALUE


async def test_a_pod_that_is_gone_or_was_born_again_is_superseded(world: KubeWorld) -> None:
    pod = await world.bare_pod("p")
    for uid, name, reason in ((STRANGER, pod.name, "uid_changed"), (pod.uid, "no-such-pod", "gone")):
        other = PodRef(pod.namespace, name, uid)
        for actuator, action_kind in (
            (DrainAndRestore(world.api, by="o"), ActionKind.DRAIN),
            (DrainAndRestore(world.api, by="o"), ActionKind.RESTORE),
            (EvictActuator(world.api), ActionKind.EVICT),
        ):
            assert said(await actuator.apply(act(action_kind, other))) == (Result.SUPERSEDED, reason)
        assert said(await EvictActuator(world.api).look_up(act(ActionKind.EVICT, other))) == (Result.APPLIED, "applied")
    assert (await marks(world, pod))[:2] == (None, None)


async def test_a_pod_that_is_being_deleted_is_superseded(world: KubeWorld) -> None:
    pod = await world.bare_pod("p", finalizer="observer.dev/test")
    path = paths.pod(pod.namespace, pod.name)
    await world.delete(path, gracePeriodSeconds=0)
    drain, evict = DrainAndRestore(world.api, by="o"), EvictActuator(world.api)
    assert said(await drain.apply(act(ActionKind.DRAIN, pod))) == (Result.SUPERSEDED, "terminating")
    assert said(await evict.apply(act(ActionKind.EVICT, pod))) == (Result.SUPERSEDED, "terminating")
    assert said(await evict.look_up(act(ActionKind.EVICT, pod))) == (Result.APPLIED, "applied")
    await world.patch(path, {"metadata": {"finalizers": None}})


async def test_a_patch_of_another_incarnation_or_version_is_refused(world: KubeWorld) -> None:
    """422 is what the API server says to a ``test`` that fails; the actuator's races end here."""
    pod = await world.bare_pod("p")
    target, mark = await target_of(world, pod), DrainMark("i1", 0.0)
    for stale in (replace(target, ref=replace(pod, uid=STRANGER)), replace(target, resource_version="1")):
        with pytest.raises(Invalid):
            await patch_pod(world.api, stale, draining(stale, mark))
    assert (await marks(world, pod))[:2] == (None, None)
    with pytest.raises(Invalid):
        await patch_pod(world.api, target, restoring(target))


async def test_an_eviction_takes_exactly_that_pod(world: KubeWorld) -> None:
    await world.deployment("web", 2)
    pod, actuator = await world.one_pod("web"), EvictActuator(world.api)
    others = {reference(one) for one in await world.pods("web")} - {pod}
    assert said(await actuator.look_up(act(ActionKind.EVICT, pod))) == (Result.DEFERRED, "not_applied")
    assert said(await actuator.apply(act(ActionKind.EVICT, pod, dry_run=True))) == (Result.APPLIED, "applied")
    assert said(await actuator.look_up(act(ActionKind.EVICT, pod))) == (Result.DEFERRED, "not_applied")
    assert said(await actuator.apply(act(ActionKind.EVICT, pod))) == (Result.APPLIED, "applied")
    assert said(await actuator.look_up(act(ActionKind.EVICT, pod))) == (Result.APPLIED, "applied")
    await world.gone(paths.pod(pod.namespace, pod.name))
    await world.available("web-v1", 2)
    now = {reference(one) for one in await world.pods("web")}
    assert others < now
    assert pod not in now


async def test_a_budget_defers_an_eviction(world: KubeWorld) -> None:
    await world.deployment("web", 2)
    await world.budget("all", "web", 2)
    pod, actuator = await world.one_pod("web"), EvictActuator(world.api)
    for dry_run in (True, False):
        outcome = await actuator.apply(act(ActionKind.EVICT, pod, dry_run=dry_run))
        assert said(outcome) == (Result.DEFERRED, "pdb")
        assert "disruption budget" in outcome.detail
    assert said(await actuator.look_up(act(ActionKind.EVICT, pod))) == (Result.DEFERRED, "not_applied")
    assert len(await world.pods("web")) == 2


async def test_several_budgets_are_for_a_person(world: KubeWorld) -> None:
    await world.deployment("web", 2)
    await world.budget("one", "web", 1)
    await world.budget("two", "web", 1)
    outcome = await EvictActuator(world.api).apply(act(ActionKind.EVICT, await world.one_pod("web")))
    assert said(outcome) == (Result.REFUSED, "several_budgets")
    assert len(await world.pods("web")) == 2


async def test_the_precondition_of_an_eviction_holds(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    pod = await world.one_pod("web")
    target = await target_of(world, pod)
    path = paths.pod(pod.namespace, pod.name, "eviction")
    with pytest.raises(Conflict):
        await world.api.request(
            "POST", path, body=eviction(replace(target, ref=replace(pod, uid=STRANGER)), dry_run=False)
        )
    assert await world.one_pod("web") == pod


async def test_expired_drains_are_given_back_without_the_daemon(world: KubeWorld) -> None:
    actuator = DrainAndRestore(world.api, by="o")
    due, later, foreign = [await world.bare_pod(name) for name in ("due", "later", "foreign")]
    await actuator.apply(act(ActionKind.DRAIN, due, seconds=10))
    await actuator.apply(act(ActionKind.DRAIN, later, seconds=1000))
    await relabel(world, foreign, "true")
    here: dict[str, Any] = {"all_namespaces": False, "namespaces": [world.namespace]}
    told = dict(await restore_expired(world.api, time.time() + 100, **here, dry_run=True))
    assert (await marks(world, due))[0] == names.DRAIN_VALUE
    assert dict(await restore_expired(world.api, time.time() + 100, **here)).keys() == told.keys()
    assert {name: said(outcome) for name, outcome in told.items()} == {
        str(due): (Result.APPLIED, "applied"),
        str(later): (Result.DEFERRED, "not_expired"),
        str(foreign): (Result.SUPERSEDED, "not_ours"),
    }
    assert (await marks(world, due))[:2] == (None, None)
    assert (await marks(world, later))[0] == names.DRAIN_VALUE
    told = dict(await restore_expired(world.api, time.time(), force=True, only=str(later)))
    assert said(told[str(later)]) == (Result.APPLIED, "applied")
    assert (await marks(world, later))[:2] == (None, None)
    told = dict(await restore_expired(world.api, time.time(), force=True, only=str(later)))
    assert said(told[str(later)]) == (Result.SUPERSEDED, "not_drained")
    assert await restore_expired(world.api, time.time(), only=f"{world.namespace}/no-such-pod") == []
    assert (await marks(world, foreign))[0] == "true"


async def test_the_kill_switch_says_paused_unless_it_says_false(world: KubeWorld) -> None:
    switch = ConfigMapSwitch(world.api, world.namespace)
    paused, why = await switch.read()
    assert (paused, why) == (
        True,
        f"cannot be read: ConfigMap {world.namespace}/{names.CONTROL_CONFIGMAP} does not exist",
    )
    assert await switch.ensure()
    assert await switch.read() == (False, "")
    await switch.write(paused=True, who="ann", reason="migration tonight")
    assert await switch.ensure(), "what is there already is left as it is"
    paused, why = await switch.read()
    assert paused
    assert why.startswith("paused by ann at 20")
    assert why.endswith(": migration tonight")
    await switch.write(paused=False, who="ann", reason="done")
    assert await switch.read() == (False, "")
    path = paths.config_map(world.namespace, names.CONTROL_CONFIGMAP)
    for data in ({"paused": "False"}, {"paused": None}):
        await world.patch(path, {"data": data})
        assert (await switch.read())[0] is True
    await world.delete(path)
    assert (await switch.read())[0] is True
    await switch.write(paused=True, who="ben", reason="made anew")
    assert (await switch.read())[0] is True


async def test_a_resume_is_written_only_over_the_pause_that_was_read(world: KubeWorld) -> None:
    switch = ConfigMapSwitch(world.api, world.namespace)
    missing = await switch.look()
    assert (missing.paused, missing.version) == (True, "")
    await switch.write(paused=True, who="ann", reason="storm")
    with pytest.raises(SwitchChanged, match=r"now paused by ann at 20.*: storm") as changed:
        await switch.write(paused=False, who="ada", reason="", over=missing.version)
    assert changed.value.paused
    seen = await switch.look()
    await switch.write(paused=True, who="ben", reason="database on fire")
    with pytest.raises(SwitchChanged, match=r"now paused by ben at 20.*: database on fire"):
        await switch.write(paused=False, who="ada", reason="", over=seen.version)
    now = await switch.look()
    assert now.paused and now.why.endswith(": database on fire") and "ben" in now.why
    await world.delete(paths.config_map(world.namespace, names.CONTROL_CONFIGMAP))
    with pytest.raises(SwitchChanged, match="does not exist") as changed:
        await switch.write(paused=False, who="ada", reason="", over=now.version)
    assert not changed.value.paused, "nobody's word"
    assert (await switch.look()).version == "", "whoever deletes it stops Observer: it is not made anew"
    await switch.write(paused=False, who="ada", reason="", over="")
    assert await switch.read() == (False, "")
    with pytest.raises(SwitchChanged, match="now not paused: resumed by ada") as changed:
        await switch.write(paused=True, who="ann", reason="late", over=now.version)
    assert not changed.value.paused
    assert await pause_switch(switch, who="ann", reason="sale") == SwitchReading(False, "", ANY, "ada")
    assert (await switch.look()).why.endswith(": sale")


async def test_of_two_people_at_the_switch_in_one_instant_one_is_told_of_the_other(world: KubeWorld) -> None:
    switch = ConfigMapSwitch(world.api, world.namespace)
    await switch.ensure()
    words = {"ann": "storm", "ben": "database on fire"}
    before = await switch.look()
    ends = await asyncio.gather(
        *(switch.write(paused=True, who=who, reason=why, over=before.version) for who, why in words.items()),
        return_exceptions=True,
    )
    (first,) = (who for who, end in zip(words, ends, strict=True) if end is None)
    (refused,) = (end for end in ends if end is not None)
    assert isinstance(refused, SwitchChanged) and f"paused by {first} at" in str(refused)
    assert words[first] in str(refused) and (await switch.look()).who == first


async def test_the_lease_is_a_compare_and_swap_cell(world: KubeWorld) -> None:
    one, other = (KubeLeaseStore(world.api, world.namespace, "observer") for _ in range(2))
    record = LeaseRecord("a", 1, 15.0, "2026-01-01T00:00:00.000001Z", "")
    assert await one.read() is None
    first = await one.swap(record)
    assert first == replace(record, version=first.version if first else "")
    assert await other.swap(replace(record, holder="b")) is None, "it exists already"
    assert await other.read() == first
    assert first is not None
    path = paths.lease(world.namespace, "observer")
    await world.patch(path, {"metadata": {"labels": {"chart": "x"}, "annotations": {"kept": "yes"}}})
    assert await other.swap(replace(first, holder="b")) is None, "somebody wrote in between"
    now = await other.read()
    assert now is not None
    second = await other.swap(replace(now, holder="b", transitions=2, renewed="2026-01-01T00:00:09.000000Z"))
    assert second is not None
    assert (second.holder, second.transitions, second.duration) == ("b", 2, 15.0)
    assert await one.swap(first) is None
    found = await world.get(path)
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == ({"chart": "x"}, {"kept": "yes"})
    assert found["spec"]["acquireTime"] == "2026-01-01T00:00:09.000000Z"
    third = await other.swap(replace(second, renewed="2026-01-01T00:00:11.000000Z"))
    assert third is not None
    spec = (await world.get(path))["spec"]
    assert (spec["acquireTime"], spec["renewTime"]) == ("2026-01-01T00:00:09.000000Z", "2026-01-01T00:00:11.000000Z")
    released = await other.swap(replace(third, holder="", duration=1.0))
    assert released is not None
    assert (released.holder, released.duration) == ("", 1.0)
    await world.delete(path)
    assert await other.read() is None


async def test_one_leader_at_a_time_and_a_quick_succession(world: KubeWorld) -> None:
    first, second = (
        LeaseElector(
            KubeLeaseStore(world.api, world.namespace, "observer"),
            LeaseSettings(identity=name, duration=15.0, renew_deadline=10.0, retry=0.2),
            SystemClock(),
            random=Random(1),
        )
        for name in ("a", "b")
    )
    async with running(first.run) as holding:
        await until(first.held, within=PATIENCE)
        async with running(second.run):
            await until(lambda: second.holder == "a", within=PATIENCE)
            assert (first.term, second.term, second.held()) == (1, 0, False)
            holding.cancel()
            await until(second.held, within=PATIENCE)
            assert (first.held(), second.term) == (False, 2)
    found = await KubeLeaseStore(world.api, world.namespace, "observer").read()
    assert found is not None
    assert (found.holder, found.transitions) == ("", 2)


async def test_decisions_become_events_on_pod_and_workload(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    pod, workload = await world.one_pod("web"), WorkloadRef(world.namespace, "Deployment", "web-v1")
    uid = (await world.get(world.path("/apis/apps/v1", "deployments", "web-v1")))["metadata"]["uid"]
    sink = KubeEventSink(world.api, instance="observer-0", uid_of=lambda _: uid)
    decision = Decision(
        id="d1",
        at=time.time(),
        kind=Kind.DRAIN,
        verdict=Verdict.ACT,
        subject=f"pod {pod}",
        reason="evidence",
        text="ä" * 2000,
        pod=pod,
        workload=workload,
    )
    await sink.publish(decision)
    await sink.publish(replace(decision, id="d2", at=decision.at + 1))
    await sink.publish(replace(decision, id="d3", at=decision.at + 2))
    await sink.publish(replace(decision, id="d4", kind=Kind.VERIFIED, reason="fixed", text="fixed"))
    async with world.watched() as cluster:
        events = [event for event in await cluster.pod_events(pod) if str(event["reason"]).startswith("Observer")]
    assert sorted(str(event["reason"]) for event in events) == ["ObserverDrained", "ObserverVerified"]
    listed = (await world.get(paths.event(world.namespace)))["items"]
    drained = [event for event in listed if event["reason"] == "ObserverDrained"]
    assert {event["regarding"]["kind"]: event["series"]["count"] for event in drained} == {"Pod": 3, "Deployment": 3}
    assert {event["regarding"]["uid"] for event in drained} == {pod.uid, uid}
    assert all(len(event["note"].encode()) <= 1024 for event in drained)
    assert all(event["reportingController"] == names.REPORTING_CONTROLLER for event in drained)


async def test_an_event_of_a_node_is_in_the_default_namespace(world: KubeWorld) -> None:
    await world.api.request("GET", "/api/v1/nodes")
    sink = KubeEventSink(world.api, instance="observer-0")
    subject = f"node {world.namespace}-no-such-node"
    decision = Decision(
        "n1", time.time(), Kind.SUSPECTED, Verdict.TELL, subject, "evidence", "slow", severity=Severity.WARNING
    )
    await sink.publish(decision)
    await sink.publish(decision)
    listed = (await world.get(paths.event("default")))["items"]
    (event,) = (one for one in listed if one["regarding"]["name"] == subject.removeprefix("node "))
    assert (event["type"], event["reason"], event["action"]) == ("Warning", "ObserverSuspected", "Observe")
