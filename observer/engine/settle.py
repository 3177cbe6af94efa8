"""Feeds the API server's answer to an act back into the memory."""

from __future__ import annotations

from dataclasses import replace

from observer.domain.action import Action, Rung
from observer.domain.decision import Decision, LedgerEntry
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict, Outcome, Result
from observer.domain.policy import UNRULED, PolicyBook
from observer.domain.settings import EngineSettings
from observer.engine import explain
from observer.engine.choose import planned
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.engine.turn import Turn

NOT_SENT = frozenset(
    {
        "not_leader",
        "stale_decision",
        "paused",
        "not_approved",
        "pod_unreadable",
        "evidence_not_kept",
        "journal_unavailable",
    }
)
"""Reasons to defer that are found before anything is written: they say nothing about an earlier, unanswered write."""
OURS_PROBABLY = frozenset({"gone", "terminating", "uid_changed"})
"""How the pod looks when an eviction that got no answer happened after all."""
REFUSED_PAUSE = 60.0
"""Seconds before a refused give-back is tried again."""


def settle(
    memory: Memory,
    decision: Decision,
    outcome: Outcome,
    at: float,
    settings: EngineSettings,
    book: PolicyBook = UNRULED,
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    The memory after the outcome of ``decision.action``, and what there is to tell.

    APPLIED moves the phase; DEFERRED keeps it and sets the instant before which nothing is tried again; SUPERSEDED
    closes; REFUSED freezes the workload and pages; UNKNOWN keeps the intent open: it is asked for again under the same
    id, which looks it up. Raises ``ValueError`` for a decision without an action.
    """
    action = decision.action
    if action is None:
        raise ValueError(f"decision {decision.id} carries no action")
    turn = Turn(at, settings, memory, book=book)
    incident = memory.incidents.get(action.incident)
    if incident is None or incident.phase is Phase.CLOSED:
        _note(turn, action, incident, outcome)
        _label_written(turn, action, outcome)
        return turn.finish(), tuple(turn.decisions)
    open_before = any(e.action_id == action.id and not e.settled for e in memory.ledger)
    if open_before and outcome.result is Result.DEFERRED and outcome.reason in NOT_SENT:
        return memory, ()
    gone = outcome.result is Result.SUPERSEDED and outcome.reason in OURS_PROBABLY
    if open_before and action.rung is Rung.EVICT and gone:
        outcome = replace(outcome, result=Result.APPLIED)
    _note(turn, action, incident, outcome)
    if outcome.result is not Result.UNKNOWN:
        attempts = {**incident.attempts, action.rung: incident.attempts.get(action.rung, 0) + 1}
        incident = turn.put(replace(incident, attempts=attempts))
    if action.dry_run:
        turn.tell(
            incident, "dry_run", outcome.reason, explain.outcome(incident, action.rung, outcome, str(action.pod)),
            rung=action.rung, outcome=outcome,
        )  # fmt: skip
        return turn.finish(), tuple(turn.decisions)
    _follow(turn, incident, action, outcome)
    return turn.finish(), tuple(turn.decisions)


def _follow(turn: Turn, incident: Incident, action: Action, outcome: Outcome) -> None:
    text = explain.outcome(incident, action.rung, outcome, str(action.pod))
    match outcome.result:
        case Result.APPLIED:
            _label_written(turn, action, outcome)
            _applied(turn, incident, action)
        case Result.DEFERRED:
            _wait(turn, incident, max(outcome.retry_after, turn.settings.tick))
            turn.tell_once(incident, "deferred", outcome.reason, text)
        case Result.SUPERSEDED:
            person = outcome.reason == "person_took_it"
            closing = outcome.reason if person else incident.giving_back or "superseded"
            turn.close(incident, closing, text, severity="warning" if person else "info")
        case Result.REFUSED:
            _wait(turn, incident, REFUSED_PAUSE)
            turn.tell(incident, "page", outcome.reason, text, severity="page", rung=action.rung, outcome=outcome)
        case Result.UNKNOWN:
            turn.tell_once(incident, "deferred", outcome.reason, text, severity="warning")


def _applied(turn: Turn, incident: Incident, action: Action) -> None:
    waits = {key: until for key, until in turn.memory.not_before.items() if key != incident.id}
    turn.memory = replace(turn.memory, not_before=waits)
    match action.rung:
        case Rung.DRAIN:
            _drained(turn, incident, action)
        case Rung.RESTORE:
            _restored(turn, incident)
        case Rung.EVICT:
            evicted = replace(incident, check=Check(turn.at, 0.0), drain_expires=0.0, giving_back="")
            turn.phase(evicted, Phase.EVICTING)
        case Rung.ANNOTATE:
            pass


def _drained(turn: Turn, incident: Incident, action: Action) -> None:
    if incident.phase in DRAIN_PHASES:
        return  # looked up after a restart, and known already
    proven = incident.phase is Phase.READMITTED
    ladder = turn.policy(incident).ladder
    started = min(turn.at, action.expires - ladder.drain_seconds) if action.expires else turn.at
    experiment = Experiment(
        started=started,
        share=incident.share,
        p1=incident.p1,
        p0=incident.p0,
        cut=incident.cut,
        verdict=DrainVerdict.DROPPED if proven else DrainVerdict.PENDING,
        dispersion=turn.backdrop(incident).dispersion,
    )
    expires = action.expires or turn.at + ladder.drain_seconds
    turn.phase(replace(incident, experiment=experiment, drain_expires=expires, giving_back=""), Phase.DRAINING)


def _restored(turn: Turn, incident: Incident) -> None:
    reason = incident.giving_back or "expired"
    if reason == "readmit":
        until = turn.at + turn.policy(incident).ladder.readmit_seconds
        turn.put_backdrop(incident, replace(turn.backdrop(incident), base=incident.nats, low=-1.0))
        turn.phase(replace(incident, readmit_until=until, drain_expires=0.0, giving_back=""), Phase.READMITTED)
        return
    closing = "acquitted" if reason == "not_dropped" else reason
    text = f"{incident.culprit.name} serves again: {explain.GIVING_BACK.get(reason, reason)}."
    turn.close(incident, closing, text)


def _wait(turn: Turn, incident: Incident, seconds: float) -> None:
    turn.memory = replace(turn.memory, not_before={**turn.memory.not_before, incident.id: turn.at + seconds})


def _label_written(turn: Turn, action: Action, outcome: Outcome) -> None:
    if outcome.result is Result.APPLIED and action.rung in (Rung.DRAIN, Rung.RESTORE) and not action.dry_run:
        turn.memory = replace(turn.memory, label_writes={**turn.memory.label_writes, action.pod: turn.at})


def _note(turn: Turn, action: Action, incident: Incident | None, outcome: Outcome) -> None:
    """Enter the act in the ledger, or settle its entry."""
    before = next((e for e in turn.memory.ledger if e.action_id == action.id), None)
    entry = before or (planned(action, incident, turn.at) if incident is not None else _bare(action, turn.at))
    refused = outcome.result is Result.REFUSED and action.rung is not Rung.RESTORE
    entry = replace(
        entry,
        settled=outcome.result is not Result.UNKNOWN,
        applied=outcome.result is Result.APPLIED,
        useful=False if refused else entry.useful,
        verdict="refused" if refused else entry.verdict,
    )
    rest = tuple(e for e in turn.memory.ledger if e.action_id != action.id)
    turn.memory = replace(turn.memory, ledger=(*rest, entry))


def _bare(action: Action, at: float) -> LedgerEntry:
    return LedgerEntry(action.id, at, action.rung, action.incident, action.pod, None, None, "pod", "", "", "")
