"""Feeds the API server's answer to an act back into the memory."""

from __future__ import annotations

from dataclasses import replace

from observer import actions
from observer.domain.action import Action
from observer.domain.decision import Decision, LedgerEntry
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict, Outcome, Result
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.engine.messages import decisions
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.escalation import planned

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
    policies: EffectivePolicies = NO_POLICIES,
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
    log = DecisionLog(at, settings, memory, policies=policies)
    incident = memory.incidents.get(action.incident)
    if incident is None or incident.phase is Phase.CLOSED:
        _note(log, action, incident, outcome)
        _label_written(log, action, outcome)
        return log.finish(), tuple(log.decisions)
    open_before = any(e.action_id == action.id and not e.settled for e in memory.ledger)
    if open_before and outcome.result is Result.DEFERRED and outcome.reason in NOT_SENT:
        return memory, ()
    gone = outcome.result is Result.SUPERSEDED and outcome.reason in OURS_PROBABLY
    if open_before and actions.has_effect(action.action_kind, actions.Effect.REPLACEMENT) and gone:
        outcome = replace(outcome, result=Result.APPLIED)
    _note(log, action, incident, outcome)
    if outcome.result is not Result.UNKNOWN:
        attempts = {**incident.attempts, action.action_kind: incident.attempts.get(action.action_kind, 0) + 1}
        incident = log.put(replace(incident, attempts=attempts))
    if action.dry_run:
        log.tell(
            incident, "dry_run", outcome.reason, decisions.outcome(incident, action.action_kind, outcome,
            str(action.target)),
            action_kind=action.action_kind, outcome=outcome,
        )  # fmt: skip
        return log.finish(), tuple(log.decisions)
    _follow(log, incident, action, outcome)
    return log.finish(), tuple(log.decisions)


def _follow(log: DecisionLog, incident: Incident, action: Action, outcome: Outcome) -> None:
    text = decisions.outcome(incident, action.action_kind, outcome, str(action.target))
    match outcome.result:
        case Result.APPLIED:
            _label_written(log, action, outcome)
            _applied(log, incident, action)
        case Result.DEFERRED:
            _wait(log, incident, max(outcome.retry_after, log.settings.tick))
            log.tell_once(incident, "deferred", outcome.reason, text)
        case Result.SUPERSEDED:
            person = outcome.reason == "person_took_it"
            closing = outcome.reason if person else incident.restoring or "superseded"
            log.close(incident, closing, text, severity="warning" if person else "info")
        case Result.REFUSED:
            _wait(log, incident, REFUSED_PAUSE)
            log.tell(
                incident, "page", outcome.reason, text, severity="page", action_kind=action.action_kind, outcome=outcome
            )
        case Result.UNKNOWN:
            log.tell_once(incident, "deferred", outcome.reason, text, severity="warning")


def _applied(log: DecisionLog, incident: Incident, action: Action) -> None:
    waits = {key: until for key, until in log.memory.not_before.items() if key != incident.id}
    log.memory = replace(log.memory, not_before=waits)
    match actions.of(action.action_kind).effect:
        case actions.Effect.EXPERIMENT:
            _drained(log, incident, action)
        case actions.Effect.RESTORED:
            _restored(log, incident)
        case actions.Effect.REPLACEMENT:
            evicted = replace(incident, check=Check(log.at, 0.0), drain_expires=0.0, restoring="")
            log.phase(evicted, Phase.EVICTING)
        case actions.Effect.ENDED:
            spec = actions.of(action.action_kind)
            log.close(
                incident, Reason.APPLIED, f"{action.target.subject} was {spec.done}; what goes on is a new incident."
            )
        case actions.Effect.NOTHING:
            pass


def _drained(log: DecisionLog, incident: Incident, action: Action) -> None:
    if incident.phase in DRAIN_PHASES:
        return  # looked up after a restart, and known already
    proven = incident.phase is Phase.READMITTED
    escalation = log.policy(incident).escalation
    started = min(log.at, action.expires - escalation.drain_seconds) if action.expires else log.at
    experiment = Experiment(
        started=started,
        share=incident.share,
        p1=incident.p1,
        p0=incident.p0,
        cut=incident.cut,
        verdict=DrainVerdict.DROPPED if proven else DrainVerdict.PENDING,
        dispersion=log.baseline(incident).dispersion,
    )
    expires = action.expires or log.at + escalation.drain_seconds
    log.phase(replace(incident, experiment=experiment, drain_expires=expires, restoring=""), Phase.DRAINING)


def _restored(log: DecisionLog, incident: Incident) -> None:
    reason = incident.restoring or "expired"
    if reason == "readmit":
        until = log.at + log.policy(incident).escalation.readmit_seconds
        log.put_baseline(incident, replace(log.baseline(incident), base=incident.evidence_score, low=-1.0))
        log.phase(replace(incident, readmit_until=until, drain_expires=0.0, restoring=""), Phase.READMITTED)
        return
    closing = "cleared" if reason == "not_dropped" else reason
    text = f"{incident.culprit.name} serves again: {decisions.RESTORE_REASONS.get(reason, reason)}."
    log.close(incident, closing, text)


def _wait(log: DecisionLog, incident: Incident, seconds: float) -> None:
    log.memory = replace(log.memory, not_before={**log.memory.not_before, incident.id: log.at + seconds})


def _label_written(log: DecisionLog, action: Action, outcome: Outcome) -> None:
    if outcome.result is Result.APPLIED and actions.labels(action.action_kind) and not action.dry_run:
        log.memory = replace(log.memory, label_writes={**log.memory.label_writes, action.pod: log.at})


def _note(log: DecisionLog, action: Action, incident: Incident | None, outcome: Outcome) -> None:
    """Enter the act in the ledger, or settle its entry."""
    before = next((e for e in log.memory.ledger if e.action_id == action.id), None)
    entry = before or (planned(action, incident, log.at) if incident is not None else _bare(action, log.at))
    refused = outcome.result is Result.REFUSED and actions.harmful(action.action_kind)
    entry = replace(
        entry,
        settled=outcome.result is not Result.UNKNOWN,
        applied=outcome.result is Result.APPLIED,
        useful=False if refused else entry.useful,
        verdict="refused" if refused else entry.verdict,
    )
    rest = tuple(e for e in log.memory.ledger if e.action_id != action.id)
    log.memory = replace(log.memory, ledger=(*rest, entry))


def _bare(action: Action, at: float) -> LedgerEntry:
    return LedgerEntry(action.id, at, action.action_kind, action.incident, action.target, None, None, "pod", "", "", "")
