"""Words of people on their way into the loop, and to the last look before a write."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from observer.actions import plan_of
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.approval import Approval
from observer.domain.errors import JournalUnavailable
from observer.domain.ids import PodRef, Target
from observer.domain.incident import Phase
from observer.domain.policy import APPROVAL_SECONDS, EffectivePolicies, EffectivePolicy
from observer.engine.decide import decide
from observer.engine.memory import Memory
from observer.engine.remediation.approvals import restore_action, waiting
from observer.recording.events import Began, RulesInForce, Ticked
from observer.recording.files import Recording
from observer.recording.replay import replay
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor
from observer.runtime.flight_recorder import FlightRecorder
from observer.runtime.inbox import ApprovalCache
from tests.support.approvals import MemoryApprovals
from tests.support.builders import catalog, cluster, enforce, snapshot, workload_ref
from tests.support.fakes import FakeActuator, FakeClock, FakeCluster, FakeLease, FakeSwitch, MemoryJournal
from tests.support.stage import Stage

POD = PodRef("shop", "cart-1", "uid-1")
DRAIN = Action(ActionKind.DRAIN, "incident-1", Target.of(POD))


def word(clock: FakeClock, plan: str = "plan-a") -> Approval:
    return Approval(plan, "incident-1", Target.of(POD), ActionKind.DRAIN, "ana", "oidc", clock.at)


@pytest.mark.parametrize(
    "other",
    [
        plan_of(DRAIN, seconds=301.0),
        plan_of(replace(DRAIN, incident="incident-2"), seconds=300.0),
        plan_of(replace(DRAIN, target=Target.of(PodRef("shop", "cart-1", "uid-2"))), seconds=300.0),
        plan_of(replace(DRAIN, action_kind=ActionKind.EVICT), seconds=300.0),
        plan_of(replace(DRAIN, attempt=1), seconds=300.0),
        plan_of(replace(DRAIN, dry_run=True), seconds=300.0),
    ],
)
def test_any_other_plan_has_another_hash(other: object) -> None:
    known = plan_of(DRAIN, seconds=300.0)
    assert getattr(other, "hash") != known.hash  # noqa: B009
    assert known.hash == plan_of(replace(DRAIN, resource_version="7", reason="again"), seconds=300.0).hash


async def test_a_word_counts_from_when_it_was_given_until_it_is_over() -> None:
    clock = FakeClock()
    keeper = ApprovalCache(MemoryApprovals(), clock)
    given = clock.at
    await keeper.give(word(clock))
    assert keeper.standing(given - 1.0) == {}
    assert keeper.standing(given) == {"plan-a": given + APPROVAL_SECONDS}
    assert keeper.standing(given + APPROVAL_SECONDS) == {}
    assert [one.who for one in keeper.given("incident-1", given)] == ["ana"]
    assert keeper.given("incident-2", given) == ()


async def test_a_word_that_is_not_on_disk_is_none() -> None:
    clock = FakeClock()
    keeper = ApprovalCache(MemoryApprovals(broken=True), clock)
    with pytest.raises(JournalUnavailable):
        await keeper.give(word(clock))
    with pytest.raises(JournalUnavailable):
        await keeper.withdraw("plan-a", "ana", clock.at)
    assert keeper.standing(clock.at) == {}


async def test_what_others_wrote_is_read_and_a_broken_book_is_asked_again() -> None:
    clock, policies = FakeClock(), MemoryApprovals(broken=True)
    keeper = ApprovalCache(policies, clock)
    with capture_logs() as told:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(keeper.run())
            while not told:
                await asyncio.sleep(0)
            policies.broken = False
            policies.words.append(word(clock))
            keeper.wanted((plan_of(DRAIN, seconds=300.0),))  # something waits: look at once
            while not keeper.standing(clock.at):
                await asyncio.sleep(0)
            assert await keeper.withdraw("plan-a", "ana", clock.at)
            assert keeper.standing(clock.at) == {}
            reading.cancel()
    assert told[0]["event"] == "approvals_read_failed"


@pytest.fixture
def bench(tmp_path: Path) -> tuple[Executor, FakeActuator, MemoryApprovals, FakeClock]:
    actuator, policies, clock = FakeActuator(), MemoryApprovals(), FakeClock()
    cluster_now, journal = FakeCluster(), MemoryJournal()
    executor = Executor(
        actuators=dict.fromkeys(ActionKind, actuator),
        cluster=cluster_now,
        journal=journal,
        lease=FakeLease(),
        switch=FakeSwitch(),
        evidence=EvidenceStore(cluster_now, tmp_path, logs=False, lines=1, max_bytes=1, redact=[]),
        clock=clock,
        fresh_for=5.0,
        approvals=policies,
    )
    return executor, actuator, policies, clock


@pytest.mark.parametrize(
    ("given", "broken", "reason"),
    [(0.0, False, "applied"), (-APPROVAL_SECONDS, False, "not_approved"), (0.0, True, "not_approved")],
)
async def test_the_book_is_asked_again_before_the_write(
    bench: tuple[Executor, FakeActuator, MemoryApprovals, FakeClock], given: float, broken: bool, reason: str
) -> None:
    executor, actuator, policies, clock = bench
    stage = Stage()
    stage.faults["catalog-1"] = 0.5
    decision = replace(stage.until(Phase.DRAINING).told("drain")[0], at=clock.at)
    assert decision.action is not None
    decision = replace(decision, action=replace(decision.action, approval="plan-a", term=3))
    policies.words.append(replace(word(clock), given=clock.at + given))
    policies.broken = broken
    outcome, _ = await executor.carry_out(decision, None)
    assert outcome.reason == reason
    assert len(actuator.applied) == (reason == "applied")


def asking(**changes: object) -> EffectivePolicies:
    policy = replace(
        EffectivePolicy.of(enforce()), identity="p", names=("one",), approvals=frozenset({ActionKind.DRAIN})
    )
    return EffectivePolicies("book", {workload_ref("catalog"): replace(policy, **changes)})  # type: ignore[arg-type]


def test_what_waits_is_shown_and_its_hash_is_what_the_brake_wants() -> None:
    stage = Stage(policies=asking())
    stage.faults["catalog-1"] = 0.5
    stage.ticks(8)
    (plan,) = waiting(stage.memory, stage.now(), stage.settings, stage.policies)
    assert (plan.target.name, plan.action_kind, plan.dry_run) == ("catalog-1", ActionKind.DRAIN, False)
    assert any("istio.io/draining" in line for line in plan.diff)

    stage.picture = {"approvals": {plan.hash: stage.at + 60.0}}
    stage.ticks(1)
    assert [(action_kind, name) for _, action_kind, name in stage.acts] == [(ActionKind.DRAIN, "catalog-1")]
    act = next(one.action for one in stage.told("drain") if one.action is not None)
    assert act.approval == plan.hash
    assert waiting(stage.memory, stage.now(), stage.settings, stage.policies) == ()
    back = restore_action(stage.only())
    assert back is not None and (back.action_kind, back.pod.name) == (ActionKind.RESTORE, "catalog-1")


def test_nothing_waits_in_shadow_and_nothing_is_undone_that_was_not_done() -> None:
    stage = Stage(policies=asking(mode=Mode.SHADOW))
    stage.faults["catalog-1"] = 0.5
    stage.ticks(8)
    assert waiting(stage.memory, stage.now(), stage.settings, stage.policies) == ()
    assert restore_action(stage.only()) is None


def test_approvals_are_recorded_and_replayed(tmp_path: Path) -> None:
    view, settings = cluster(catalog(4), []), enforce()
    picture = snapshot(view, approvals={"plan-a": 2_000_000.0})
    memory, decisions = decide(picture, Memory(), settings)
    recorder = FlightRecorder(tmp_path, max_bytes=1 << 20, keep=1)
    recorder.note(Ticked(RulesInForce(settings), picture, ()), Began(picture.at, Memory()))
    recorder.note(Ticked(RulesInForce(settings), picture, decisions), Began(picture.at, memory))
    recorder.close()
    with Recording(recorder.files[0]) as recording:
        events = list(recording.events())
    assert [one.snapshot.approvals for one in events if isinstance(one, Ticked)] == [{"plan-a": 2_000_000.0}]
    assert [step.same for step in replay(events)] == [True]
