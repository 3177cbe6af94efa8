"""Feeds the API server's answer to an act back into the memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from observer import actions
from observer.domain.action import Action
from observer.domain.decision import Decision
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import DrainVerdict, Outcome, Result
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.severities import Severity
from observer.engine.context import Rules
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.engine.messages import decisions as say
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.escalation import ledger_entry

NOT_SENT: Final = frozenset(
    {
        Reason.NOT_LEADER,
        Reason.STALE_DECISION,
        Reason.PAUSED,
        Reason.NOT_APPROVED,
        Reason.POD_UNREADABLE,
        Reason.EVIDENCE_NOT_SAVED,
        Reason.JOURNAL_UNAVAILABLE,
    }
)
"""Reasons to defer that are found before anything is written: they say nothing about an earlier, unanswered write."""
OURS_PROBABLY: Final = frozenset({Reason.GONE, Reason.TERMINATING, Reason.UID_CHANGED})
"""How the pod looks when an eviction that got no answer happened after all."""
REFUSED_PAUSE: Final = 60.0
"""Seconds before a refused restore is tried again."""


def apply_outcome(
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
    log = DecisionLog(at, Rules(settings, policies), memory)
    incident = memory.incidents.get(action.incident)
    if incident is None or incident.phase is Phase.CLOSED:
        log = _label_written(_entered(log, action, incident, outcome), action, outcome)
        return log.memory, log.decisions
    open_before = any(e.action_id == action.id and not e.settled for e in memory.ledger)
    if open_before and outcome.result is Result.DEFERRED and outcome.reason in NOT_SENT:
        return memory, ()
    gone = outcome.result is Result.SUPERSEDED and outcome.reason in OURS_PROBABLY
    if open_before and actions.has_effect(action.action_kind, actions.Effect.REPLACEMENT) and gone:
        outcome = replace(outcome, result=Result.APPLIED)
    log = _entered(log, action, incident, outcome)
    if outcome.result is not Result.UNKNOWN:
        attempts = incident.attempts.get(action.action_kind, 0) + 1
        incident = replace(incident, attempts={**incident.attempts, action.action_kind: attempts})
        log = log.put(incident)
    log = _dry_run(log, incident, action, outcome) if action.dry_run else _followed(log, incident, action, outcome)
    return log.memory, log.decisions


def _dry_run(log: DecisionLog, incident: Incident, action: Action, outcome: Outcome) -> DecisionLog:
    text = say.outcome(incident, action.action_kind, outcome, str(action.target))
    return log.publish(incident, Kind.DRY_RUN, outcome.reason, text, action_kind=action.action_kind, outcome=outcome)


def _followed(log: DecisionLog, incident: Incident, action: Action, outcome: Outcome) -> DecisionLog:
    kind, reason = action.action_kind, outcome.reason
    text = say.outcome(incident, kind, outcome, str(action.target))
    match outcome.result:
        case Result.APPLIED:
            return _applied(_label_written(log, action, outcome), incident, action)
        case Result.DEFERRED:
            waiting = log.wait(incident, max(outcome.retry_after, log.rules.settings.tick))
            return waiting.publish_once(incident, Kind.DEFERRED, reason, text)
        case Result.SUPERSEDED:
            person = reason == Reason.PERSON_TOOK_IT
            closing = reason if person else incident.restoring or Reason.SUPERSEDED
            return log.close(incident, closing, text, severity=Severity.WARNING if person else Severity.INFO)
        case Result.REFUSED:
            waiting = log.wait(incident, REFUSED_PAUSE)
            return waiting.publish(
                incident, Kind.PAGE, reason, text, severity=Severity.PAGE, action_kind=kind, outcome=outcome
            )
        case Result.UNKNOWN:
            return log.publish_once(incident, Kind.DEFERRED, reason, text, severity=Severity.WARNING)


def _applied(log: DecisionLog, incident: Incident, action: Action) -> DecisionLog:
    log = log.go_on(incident)
    spec = actions.of(action.action_kind)
    match spec.effect:
        case actions.Effect.EXPERIMENT:
            return _drained(log, incident, action)
        case actions.Effect.RESTORED:
            return _restored(log, incident)
        case actions.Effect.REPLACEMENT:
            evicted = replace(incident, check=Check(log.at, 0.0), drain_expires=0.0, restoring="")
            return log.phase(evicted, Phase.EVICTING)
        case actions.Effect.ENDED:
            return log.close(incident, Reason.APPLIED, say.done(action))
        case actions.Effect.NOTHING:
            return log


def _drained(log: DecisionLog, incident: Incident, action: Action) -> DecisionLog:
    if incident.phase in DRAIN_PHASES:
        return log  # looked up after a restart, and known already
    proven = incident.phase is Phase.READMITTED
    seconds = log.policy(incident).escalation.drain_seconds
    experiment = Experiment(
        started=min(log.at, action.expires - seconds) if action.expires else log.at,
        share=incident.share,
        p1=incident.p1,
        p0=incident.p0,
        cut=incident.cut,
        verdict=DrainVerdict.DROPPED if proven else DrainVerdict.PENDING,
        dispersion=log.baseline(incident).dispersion,
    )
    expires = action.expires or log.at + seconds
    return log.phase(replace(incident, experiment=experiment, drain_expires=expires, restoring=""), Phase.DRAINING)


def _restored(log: DecisionLog, incident: Incident) -> DecisionLog:
    reason = incident.restoring or Reason.EXPIRED
    if reason == Reason.READMIT:
        until = log.at + log.policy(incident).escalation.readmit_seconds
        log = log.put_baseline(incident, replace(log.baseline(incident), base=incident.evidence_score, low=-1.0))
        return log.phase(replace(incident, readmit_until=until, drain_expires=0.0, restoring=""), Phase.READMITTED)
    closing = Reason.CLEARED if reason == Reason.NOT_DROPPED else reason
    return log.close(incident, closing, say.restored(incident.culprit.name, reason))


def _label_written(log: DecisionLog, action: Action, outcome: Outcome) -> DecisionLog:
    labels = actions.labels(action.action_kind) and not action.dry_run
    return log.label_written(action.pod) if labels and outcome.result is Result.APPLIED else log


def _entered(log: DecisionLog, action: Action, incident: Incident | None, outcome: Outcome) -> DecisionLog:
    """With the act in the budget ledger, or with its entry settled."""
    before = next((e for e in log.memory.ledger if e.action_id == action.id), None)
    entry = before or ledger_entry(action, incident, log.at)
    refused = outcome.result is Result.REFUSED and actions.harmful(action.action_kind)
    return log.enter(
        replace(
            entry,
            settled=outcome.result is not Result.UNKNOWN,
            applied=outcome.result is Result.APPLIED,
            useful=False if refused else entry.useful,
            verdict="refused" if refused else entry.verdict,
        )
    )
