"""What the API server's answer to an act changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import Target
from observer.domain.incident import Experiment, Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import DrainVerdict, Outcome, Result
from observer.domain.suspect import Culprit, CulpritKind, Symptom
from observer.engine.memory import Baseline, Memory
from observer.engine.remediation.outcomes import NOT_SENT, apply_outcome
from tests.support.builders import NOW, enforce, pod, service_ref, workload_ref

SETTINGS = enforce()
POD = pod("catalog-1")


def incident(phase: Phase = Phase.SUSPECTED, **changes: object) -> Incident:
    made = Incident(
        id="i1",
        opened=NOW - 60.0,
        culprit=Culprit(CulpritKind.POD, "shop", "catalog-1", service_ref(), POD.ref),
        symptom=Symptom.ERRORS,
        phase=phase,
        phase_since=NOW - 30.0,
        workload=workload_ref(),
        service=service_ref(),
        share=0.25,
        p1=0.3,
        evidence_score=18.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def decided(action_kind: ActionKind, *, attempt: int = 0, dry_run: bool = False, incident_id: str = "i1") -> Decision:
    expires = NOW + 300.0 if action_kind is ActionKind.DRAIN else 0.0
    action = Action(action_kind, incident_id, Target.of(POD.ref), attempt, "1", expires, 7, dry_run)
    return Decision(
        "d",
        NOW,
        Kind(action_kind.value),
        Verdict.ACT,
        "pod shop/catalog-1",
        "r",
        "t",
        incident_id,
        action_kind,
        action=action,
    )


def answer(decision: Decision, result: Result, reason: str = "applied", retry_after: float = 0.0) -> Outcome:
    assert decision.action is not None
    return Outcome(decision.action.id, result, reason, retry_after=retry_after)


def after(
    one: Incident,
    action_kind: ActionKind,
    result: Result,
    reason: str = "applied",
    *,
    retry_after: float = 0.0,
    at: float = NOW,
) -> tuple[Memory, tuple[Decision, ...], Incident]:
    decision = decided(action_kind, attempt=one.attempts.get(action_kind, 0))
    memory = Memory(incidents={one.id: one}, baselines={one.id: Baseline(dispersion=2.0)})
    memory, told = apply_outcome(memory, decision, answer(decision, result, reason, retry_after), at, SETTINGS)
    return memory, told, memory.incidents["i1"]


def test_applied_drain_starts_the_experiment() -> None:
    memory, _, now = after(incident(), ActionKind.DRAIN, Result.APPLIED)
    assert now.phase is Phase.DRAINING
    assert now.drain_expires == NOW + 300.0
    assert now.experiment == Experiment(NOW, 0.25, 0.3, 0.0, dispersion=2.0)
    assert memory.label_writes == {POD.ref: NOW}
    assert now.attempts == {ActionKind.DRAIN: 1}
    assert [(e.settled, e.applied, e.useful) for e in memory.ledger] == [(True, True, None)]


def test_drain_after_readmission_keeps_the_proof() -> None:
    _, _, now = after(incident(Phase.READMITTED), ActionKind.DRAIN, Result.APPLIED)
    assert now.experiment is not None
    assert now.experiment.verdict is DrainVerdict.DROPPED


def test_drain_that_is_looked_up_late_began_when_it_was_written() -> None:
    _, _, now = after(incident(), ActionKind.DRAIN, Result.APPLIED, at=NOW + 40.0)
    assert now.experiment is not None
    assert now.experiment.started == NOW


def test_applied_eviction_waits_for_the_replacement() -> None:
    _, _, now = after(incident(Phase.DRAINED, drain_expires=NOW + 99.0), ActionKind.EVICT, Result.APPLIED)
    assert (now.phase, now.drain_expires) == (Phase.EVICTING, 0.0)
    assert now.check is not None
    assert now.check.evicted == NOW


@pytest.mark.parametrize(
    ("reason", "phase", "closing"),
    [
        ("readmit", Phase.READMITTED, ""),
        ("not_dropped", Phase.CLOSED, "cleared"),
        ("not_effective", Phase.CLOSED, "not_effective"),
        ("cannot_tell", Phase.CLOSED, "cannot_tell"),
        ("serving_floor", Phase.CLOSED, "serving_floor"),
        ("", Phase.CLOSED, "expired"),
    ],
)
def test_applied_restore(reason: str, phase: Phase, closing: str) -> None:
    _, _, now = after(incident(Phase.DRAINED, restoring=reason), ActionKind.RESTORE, Result.APPLIED)
    assert (now.phase, now.closing, now.drain_expires, now.restoring) == (phase, closing, 0.0, "")


def test_deferred_waits_and_asks_under_another_id() -> None:
    memory, told, now = after(incident(Phase.DRAINED), ActionKind.EVICT, Result.DEFERRED, "pdb", retry_after=10.0)
    assert now.phase is Phase.DRAINED
    assert memory.not_before == {"i1": NOW + 10.0}
    assert now.attempts == {ActionKind.EVICT: 1}
    assert [one.kind for one in told] == ["deferred"]
    assert [(e.settled, e.applied) for e in memory.ledger] == [(True, False)]


def test_deferred_is_told_once() -> None:
    decision = decided(ActionKind.EVICT)
    memory = Memory(incidents={"i1": incident(Phase.DRAINED)})
    memory, first = apply_outcome(memory, decision, answer(decision, Result.DEFERRED, "pdb"), NOW, SETTINGS)
    again = decided(ActionKind.EVICT, attempt=1)
    _, second = apply_outcome(memory, again, answer(again, Result.DEFERRED, "pdb"), NOW + 5.0, SETTINGS)
    assert (len(first), len(second)) == (1, 0)


@pytest.mark.parametrize(("reason", "severity"), [("uid_changed", "info"), ("person_took_it", "warning")])
def test_superseded_closes(reason: str, severity: str) -> None:
    _, told, now = after(incident(Phase.DRAINED), ActionKind.EVICT, Result.SUPERSEDED, reason)
    assert now.phase is Phase.CLOSED
    assert told[-1].severity == severity
    assert now.closing == ("person_took_it" if reason == "person_took_it" else "superseded")


def test_refused_freezes_and_pages() -> None:
    memory, told, now = after(incident(Phase.DRAINED), ActionKind.EVICT, Result.REFUSED, "forbidden")
    assert now.phase is Phase.DRAINED
    assert [(one.kind, one.severity) for one in told] == [("page", "page")]
    assert [(e.verdict, e.useful) for e in memory.ledger] == [("refused", False)]


def test_refused_restore_pages_and_is_tried_again() -> None:
    memory, told, now = after(
        incident(Phase.DRAINED, restoring="expired"), ActionKind.RESTORE, Result.REFUSED, "forbidden"
    )
    assert (now.phase, now.restoring) == (Phase.DRAINED, "expired")
    assert told[0].severity == "page"
    assert memory.not_before["i1"] > NOW
    assert memory.ledger[0].verdict == ""


def test_unknown_keeps_the_intent_open_under_the_same_id() -> None:
    memory, told, now = after(incident(), ActionKind.DRAIN, Result.UNKNOWN, "no_answer")
    assert (now.phase, now.attempts) == (Phase.SUSPECTED, {})
    assert [entry.settled for entry in memory.ledger] == [False]
    assert told[0].severity == "warning"


@pytest.mark.parametrize("reason", sorted(NOT_SENT))
def test_last_look_that_stops_a_look_up_says_nothing_about_the_open_intent(reason: str) -> None:
    memory, _, _ = after(incident(), ActionKind.DRAIN, Result.UNKNOWN, "no_answer")
    decision = decided(ActionKind.DRAIN)
    again, told = apply_outcome(memory, decision, answer(decision, Result.DEFERRED, reason), NOW + 5.0, SETTINGS)
    assert again is memory
    assert told == ()


def test_unanswered_eviction_of_a_pod_that_is_gone_was_ours() -> None:
    memory, _, _ = after(incident(Phase.DRAINED), ActionKind.EVICT, Result.UNKNOWN, "no_answer")
    decision = decided(ActionKind.EVICT)
    memory, _ = apply_outcome(memory, decision, answer(decision, Result.SUPERSEDED, "gone"), NOW + 5.0, SETTINGS)
    assert memory.incidents["i1"].phase is Phase.EVICTING
    assert [(e.settled, e.applied) for e in memory.ledger] == [(True, True)]


def test_dry_run_changes_no_phase() -> None:
    decision = decided(ActionKind.DRAIN, dry_run=True)
    settings = replace(SETTINGS, mode=Mode.DRY_RUN)
    memory, told = apply_outcome(
        Memory(incidents={"i1": incident()}), decision, answer(decision, Result.APPLIED), NOW, settings
    )
    assert memory.incidents["i1"].phase is Phase.SUSPECTED
    assert memory.label_writes == {}
    assert [one.kind for one in told] == ["dry_run"]


def test_restore_of_an_unknown_incident_is_noted() -> None:
    decision = decided(ActionKind.RESTORE, incident_id="forgotten")
    memory, told = apply_outcome(Memory(), decision, answer(decision, Result.APPLIED), NOW, SETTINGS)
    assert memory.label_writes == {POD.ref: NOW}
    assert [entry.incident for entry in memory.ledger] == ["forgotten"]
    assert told == ()


def test_decision_without_action_is_a_mistake() -> None:
    decision = replace(decided(ActionKind.DRAIN), action=None)
    with pytest.raises(ValueError, match="no action"):
        apply_outcome(Memory(), decision, Outcome("x", Result.APPLIED, "applied"), NOW, SETTINGS)


def test_a_word_that_is_over_says_nothing_about_an_eviction_that_got_no_answer() -> None:
    memory, _, _ = after(incident(Phase.DRAINED), ActionKind.EVICT, Result.UNKNOWN, "no_answer")
    decision = decided(ActionKind.EVICT)
    again, _ = apply_outcome(memory, decision, answer(decision, Result.DEFERRED, "not_approved"), NOW + 5.0, SETTINGS)
    assert again is memory
