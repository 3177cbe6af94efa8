"""The last looks before a write, the order of intent, write and outcome, and what each failure becomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Decision, LedgerEntry, Verdict
from observer.domain.errors import ActuatorUnavailable, JournalUnavailable, SourceProtocolError, SourceUnavailable
from observer.domain.ids import PodRef, Target
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor
from tests.support.approvals import MemoryApprovals
from tests.support.fakes import FakeActuator, FakeClock, FakeCluster, FakeLease, FakeSwitch, MemoryJournal

POD = PodRef("shop", "cart-1", "uid-1")


class HalfJournal(MemoryJournal):
    """``fails`` names the writes that fail; the others are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: set[str] = set()

    async def intend(self, action: Action, entry: LedgerEntry) -> None:
        self._there("intend")
        await super().intend(action, entry)

    async def record_outcome(self, action_id: str, outcome: Outcome, at: float) -> None:
        self._there("settle")
        await super().record_outcome(action_id, outcome, at)

    def _there(self, write: str) -> None:
        if write in self.fails:
            raise JournalUnavailable("disk is full")


class Bench:
    """An executor with doubles all round."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.lease, self.switch = FakeClock(), FakeLease(), FakeSwitch()
        self.cluster, self.journal, self.actuator = FakeCluster(), HalfJournal(), FakeActuator()
        self.folder = folder
        self.executor = self.made(None)

    def made(self, approvals: MemoryApprovals | None) -> Executor:
        folder = self.folder
        keeper = EvidenceStore(self.cluster, folder, logs=True, lines=10, max_bytes=1000, redact=[r"(?i)(token)=\S+"])
        return Executor(
            actuators=dict.fromkeys(ActionKind, self.actuator),
            cluster=self.cluster,
            journal=self.journal,
            lease=self.lease,
            switch=self.switch,
            evidence=keeper,
            clock=self.clock,
            fresh_for=5.0,
            approvals=approvals,
        )

    def decision(self, action_kind: ActionKind, **changes: object) -> Decision:
        action = Action(action_kind=action_kind, incident="inc", target=Target.of(POD), term=3)
        action = replace(action, **changes)  # type: ignore[arg-type]
        return Decision(
            id="d", at=self.clock.now(), kind=Kind(action_kind.value), verdict=Verdict.ACT, subject=f"pod {POD}",
            reason="r", text="why", incident="inc", action_kind=action_kind, mode=Mode.ENFORCE, pod=POD, action=action,
        )  # fmt: skip

    async def run(self, action_kind: ActionKind, **changes: object) -> Outcome:
        outcome, _ = await self.executor.carry_out(self.decision(action_kind, **changes), None)
        return outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_intent_is_durable_before_the_write(bench: Bench) -> None:
    seen: list[list[str]] = []
    bench.actuator.before = lambda _: seen.append(list(bench.journal.order))
    outcome = await bench.run(ActionKind.DRAIN)
    assert outcome.result is Result.APPLIED
    assert seen == [["intend drain"]]
    assert bench.journal.order == ["intend drain", "settle applied"]


@pytest.mark.parametrize("action_kind", [ActionKind.DRAIN, ActionKind.EVICT])
async def test_the_kill_switch_is_read_before_every_write(bench: Bench, action_kind: ActionKind) -> None:
    bench.switch.answers = [(True, "ana: storm")]
    outcome = await bench.run(action_kind)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "paused")
    assert bench.actuator.applied == [] and bench.journal.intents == {}


async def test_the_switch_thrown_while_evidence_was_kept_stops_the_eviction(bench: Bench) -> None:
    bench.switch.answers = [(False, ""), (True, "ana: stop")]
    outcome = await bench.run(ActionKind.EVICT)
    assert outcome.reason == "paused" and bench.actuator.applied == []


async def test_giving_back_needs_no_switch_no_freshness_and_no_journal(bench: Bench) -> None:
    bench.switch.answers, bench.journal.broken = [(True, "paused")], True
    decision = bench.decision(ActionKind.RESTORE)
    bench.clock.at += 3600
    outcome, _ = await bench.executor.carry_out(decision, None)
    assert outcome.result is Result.APPLIED


async def test_without_the_lease_nothing_is_written_not_even_a_give_back(bench: Bench) -> None:
    bench.lease.leads = False
    assert (await bench.run(ActionKind.RESTORE)).reason == "not_leader"
    bench.lease.leads, bench.lease.term = True, 4
    assert (await bench.run(ActionKind.DRAIN)).reason == "not_leader"
    assert bench.actuator.applied == []


async def test_an_old_decision_is_asked_again(bench: Bench) -> None:
    decision = bench.decision(ActionKind.DRAIN)
    bench.clock.at += 5.5
    outcome, _ = await bench.executor.carry_out(decision, None)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "stale_decision")


@pytest.mark.parametrize(
    ("action_kind", "metadata", "reason"),
    [
        (ActionKind.DRAIN, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "terminating"),
        (ActionKind.DRAIN, {"annotations": {names.OPT_OUT: "true"}}, "opt_out"),
        (ActionKind.DRAIN, {"labels": {names.DRAIN_LABEL: "true"}}, "drained_by_other"),
        (ActionKind.EVICT, {"annotations": {names.DRAIN_ANNOTATION: "{}"}}, "person_took_it"),
    ],
)
async def test_what_the_pod_says_a_moment_before_the_write_wins(
    bench: Bench, action_kind: ActionKind, metadata: dict[str, object], reason: str
) -> None:
    bench.cluster.raw = {"metadata": metadata, "spec": {}}
    outcome = await bench.run(action_kind)
    assert (outcome.result, outcome.reason) == (Result.SUPERSEDED, reason)
    assert bench.actuator.applied == []


async def test_a_pod_that_is_gone_or_unreadable_is_not_written_to(bench: Bench) -> None:
    bench.cluster.raw = None
    assert (await bench.run(ActionKind.DRAIN)).reason == "gone"
    bench.cluster.raw = SourceUnavailable("api server is away")
    assert (await bench.run(ActionKind.DRAIN)).reason == "pod_unreadable"
    assert bench.actuator.applied == []


async def test_a_journal_that_cannot_promise_holds_the_act(bench: Bench) -> None:
    bench.journal.broken = True
    outcome = await bench.run(ActionKind.DRAIN)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "journal_unavailable")
    assert bench.actuator.applied == []


async def test_no_answer_leaves_the_intent_open_and_the_second_try_looks_it_up(bench: Bench) -> None:
    bench.actuator.answer = ActuatorUnavailable("cut")
    assert (await bench.run(ActionKind.EVICT)).result is Result.UNKNOWN
    assert [a.action_kind for a in await bench.journal.open_intents()] == [ActionKind.EVICT]
    bench.actuator.answer = None
    assert (await bench.run(ActionKind.EVICT)).result is Result.APPLIED
    assert len(bench.actuator.applied) == 1 and len(bench.actuator.looked_up) == 1
    assert await bench.journal.open_intents() == []


async def test_evidence_is_kept_and_redacted_before_an_eviction(bench: Bench) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": '{"value": "canary-2"}', "team": "shop"}
    secret = {"name": "app", "env": [{"name": "PASSWORD", "value": "canary-1"}, {"name": "REF", "valueFrom": {}}]}
    bench.cluster.raw = {"metadata": {"name": "cart-1", "annotations": applied}, "spec": {"containers": [secret]}}
    bench.cluster.logs = "boom token=abc123\n"
    _, folder = await bench.executor.carry_out(bench.decision(ActionKind.EVICT), None)
    Path(folder).chmod(0o755)
    (Path(folder) / "pod.json").chmod(0o644)
    outcome, folder = await bench.executor.carry_out(bench.decision(ActionKind.EVICT), None)
    retained = Path(folder)
    assert outcome.result is Result.APPLIED
    assert {f.name for f in retained.iterdir()} == {"pod.json", "events.json", "app.log", "figures.json"}
    assert "abc123" not in (retained / "app.log").read_text() and "boom" in (retained / "app.log").read_text()
    pod = (retained / "pod.json").read_text()
    assert "canary" not in pod and "PASSWORD" in pod and "valueFrom" in pod and "team" in pod
    assert {f.stat().st_mode & 0o777 for f in retained.iterdir()} == {
        0o600
    } and retained.stat().st_mode & 0o777 == 0o700


async def test_missing_logs_are_named_and_do_not_stop_the_eviction(bench: Bench) -> None:
    bench.cluster.raw = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    bench.cluster.log_error = SourceUnavailable("403 no permission for pods/log")
    outcome, folder = await bench.executor.carry_out(bench.decision(ActionKind.EVICT), None)
    assert outcome.result is Result.APPLIED
    assert json.loads((Path(folder) / "figures.json").read_text())["missing"] == [
        "log of app: 403 no permission for pods/log"
    ]


async def test_a_disk_that_cannot_be_written_stops_the_eviction(bench: Bench) -> None:
    bench.folder.joinpath("inc").write_text("a file where a folder must go")
    outcome = await bench.run(ActionKind.EVICT)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "evidence_not_kept")
    assert bench.actuator.applied == []


async def test_the_switch_thrown_while_the_intent_was_written_stops_the_act(bench: Bench) -> None:
    bench.switch.answers = [(False, ""), (True, "ana: stop")]
    outcome = await bench.run(ActionKind.DRAIN)
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "paused")
    assert bench.actuator.applied == []
    assert bench.journal.order == ["intend drain", "settle deferred"]


async def test_the_lease_lost_while_the_intent_was_written_stops_the_act(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    intend = bench.journal.intend

    async def slow(action: Action, entry: LedgerEntry) -> None:
        await intend(action, entry)
        bench.lease.leads = False

    monkeypatch.setattr(bench.journal, "intend", slow)
    assert (await bench.run(ActionKind.DRAIN)).reason == "not_leader"
    assert bench.actuator.applied == []


async def test_a_known_intent_that_cannot_be_settled_tells_what_was_found(bench: Bench) -> None:
    bench.actuator.answer = ActuatorUnavailable("cut")
    assert (await bench.run(ActionKind.EVICT)).result is Result.UNKNOWN
    bench.journal.fails = {"settle"}

    outcome = await bench.run(ActionKind.EVICT)

    assert (outcome.result, outcome.reason) == (Result.APPLIED, "applied")
    assert len(bench.actuator.applied) == 1 and len(bench.actuator.looked_up) == 1
    assert [a.action_kind for a in await bench.journal.open_intents()] == [
        ActionKind.EVICT
    ]  # the next start asks again


async def test_after_a_restart_a_journal_that_cannot_be_written_leaves_the_intent_open(bench: Bench) -> None:
    action = bench.decision(ActionKind.DRAIN).action
    assert action is not None
    bench.journal.fails = {"settle"}
    assert (await bench.executor.look_up(action)).result is Result.APPLIED
    bench.actuator.found = ActuatorUnavailable("cut")
    outcome = await bench.executor.look_up(action)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, "look_up_failed")


async def test_an_act_that_cannot_be_noted_has_happened_all_the_same(bench: Bench) -> None:
    bench.journal.fails = {"settle"}
    assert (await bench.run(ActionKind.DRAIN)).result is Result.APPLIED
    bench.switch.answers = [(False, ""), (True, "ana: stop")]
    assert (await bench.run(ActionKind.DRAIN, attempt=1)).reason == "paused"
    assert len(bench.actuator.applied) == 1


@pytest.mark.parametrize(
    ("approvals", "why"),
    [
        (None, "nobody can say"),
        (MemoryApprovals(broken=True), "disk is full"),
        (MemoryApprovals(), "is over or was withdrawn"),
    ],
)
async def test_without_an_approval_that_can_be_read_nothing_that_needs_one_is_written(
    bench: Bench, approvals: MemoryApprovals | None, why: str
) -> None:
    bench.executor = bench.made(approvals)
    outcome = await bench.run(ActionKind.DRAIN, approval="plan")
    assert (outcome.result, outcome.reason) == (Result.DEFERRED, "not_approved") and why in outcome.detail
    assert bench.actuator.applied == []


def _file_in_the_way(bench: Bench) -> None:
    bench.folder.joinpath("inc").write_text("a file where a folder must go")


BREAKS: dict[str, Callable[[Bench], object]] = {
    "no intent": lambda bench: bench.journal.fails.add("intend"),
    "nothing settled": lambda bench: bench.journal.fails.add("settle"),
    "pod unreadable": lambda bench: setattr(bench.cluster, "raw", SourceUnavailable("away")),
    "pod makes no sense": lambda bench: setattr(bench.cluster, "raw", SourceProtocolError("no JSON")),
    "pod gone": lambda bench: setattr(bench.cluster, "raw", None),
    "write unanswered": lambda bench: setattr(bench.actuator, "answer", ActuatorUnavailable("cut")),
    "look unanswered": lambda bench: setattr(bench.actuator, "found", ActuatorUnavailable("cut")),
    "evidence not kept": _file_in_the_way,
    "no logs": lambda bench: setattr(bench.cluster, "log_error", SourceUnavailable("no permission")),
    "switch thrown": lambda bench: setattr(bench.switch, "answers", [(True, "ana: storm")]),
    "Lease lost": lambda bench: setattr(bench.lease, "leads", False),
    "known already": lambda bench: bench.journal.intents.update(known_intents(bench)),
}


UNWRITTEN = {"no intent", "pod gone", "switch thrown", "Lease lost", "known already"}
"""What nothing but a restore is written under."""


def known_intents(bench: Bench) -> dict[str, Action]:
    actions = [
        bench.decision(action_kind).action for action_kind in (ActionKind.DRAIN, ActionKind.EVICT, ActionKind.RESTORE)
    ]
    return {action.id: action for action in actions if action is not None}


@pytest.mark.parametrize("action_kind", [ActionKind.DRAIN, ActionKind.EVICT, ActionKind.RESTORE])
@pytest.mark.parametrize("broken", [*combinations(BREAKS, 1), *combinations(BREAKS, 2)], ids=" and ".join)
async def test_whatever_breaks_carrying_out_answers_and_never_raises(
    bench: Bench, action_kind: ActionKind, broken: tuple[str, ...]
) -> None:
    for name in broken:
        BREAKS[name](bench)
    outcome = await bench.run(action_kind)
    assert outcome.reason and len(bench.actuator.applied) <= 1
    if action_kind is not ActionKind.RESTORE and UNWRITTEN & set(broken):
        assert bench.actuator.applied == []
