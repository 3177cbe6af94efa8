"""
What one tick decided so far, and the memory that comes of it.

A log is a value: every method returns the next one and leaves this one as it was, so that nothing but the log itself
writes decisions, and memory changes by what a function returns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from observer import actions
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.alert import PendingAlert
from observer.domain.attribution import Attribution
from observer.domain.decision import Blocked, Decision, LedgerEntry, Verdict
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.incident import Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome
from observer.domain.policy import EffectivePolicy
from observer.domain.severities import Severity
from observer.domain.suspect import FULL_SCORE, Culprit, Evidence
from observer.engine import ledger
from observer.engine.context import Rules
from observer.engine.memory import IN_PROGRESS, Baseline, Memory

NEW_EVIDENCE: Final = 0.01
"""By how much an evidence score must grow to count as new."""

Figures = Mapping[str, float | str | bool | None]


@dataclass(frozen=True, slots=True)
class DecisionLog:
    """
    The decisions of one tick, in order, and the memory after them.

    ``planned`` are the harmful acts decided in this tick, which budgets count before anybody carries them out.
    """

    at: float
    rules: Rules
    memory: Memory
    decisions: tuple[Decision, ...] = ()
    planned: tuple[LedgerEntry, ...] = field(default=())

    # --- what is known

    def policy(self, subject: Incident | WorkloadRef | None) -> EffectivePolicy:
        """What holds for an incident's workload, or for a workload; the settings where no policy does."""
        return self.rules.policy(subject)

    def incident(self, key: str) -> Incident:
        return self.memory.incidents[key]

    def incidents(self) -> tuple[Incident, ...]:
        """Open incidents as they stand now, oldest first."""
        return self.memory.open_incidents()

    def in_progress(self) -> tuple[Incident, ...]:
        """Open incidents in which something was done, may have been done, or is planned in this tick."""
        acting = {entry.incident for entry in self.planned}
        acting |= {entry.incident for entry in self.memory.ledger if not entry.settled}
        standing = (i for i in self.memory.incidents.values() if i.phase is not Phase.CLOSED)
        chosen = (i for i in standing if i.phase in IN_PROGRESS or i.id in acting)
        return tuple(sorted(chosen, key=lambda i: (i.opened, i.id)))

    def baseline(self, incident: Incident) -> Baseline:
        return self.memory.baselines.get(incident.id, Baseline())

    def resting(self, suspects: Mapping[Culprit, Evidence]) -> dict[Culprit, float]:
        """
        The suspected culprits whose last incident is closed and against whom nothing new was found since, each with
        the lowest evidence score seen since.

        ``suspects`` holds today's evidence against everybody suspected.
        """
        before = self.memory.resting
        closed = {past.culprit: past.closed for past in self.memory.incidents.values() if past.culprit in before}
        still: dict[Culprit, float] = {}
        for culprit, lowest in before.items():
            evidence = suspects.get(culprit)
            if evidence is None:
                continue
            score = evidence.acting_score
            goes_on = score >= FULL_SCORE and evidence.newest > closed.get(culprit, self.at)
            if score <= lowest + NEW_EVIDENCE and not goes_on:
                still[culprit] = min(lowest, score)
        return still

    def announced(self) -> tuple[tuple[str, str], ...]:
        """``(subject, kind)`` of everything that was published and is not over."""
        return tuple(self.memory.published)

    # --- what changes

    def remember(self, memory: Memory) -> Self:
        """With another memory in the place of this one."""
        return replace(self, memory=memory)

    def put(self, incident: Incident) -> Self:
        """With the incident as it is now."""
        if self.memory.incidents.get(incident.id) == incident:
            return self
        return self.remember(replace(self.memory, incidents={**self.memory.incidents, incident.id: incident}))

    def put_baseline(self, incident: Incident, baseline: Baseline) -> Self:
        """With what the incident is measured against."""
        return self.remember(replace(self.memory, baselines={**self.memory.baselines, incident.id: baseline}))

    def phase(self, incident: Incident, phase: Phase) -> Self:
        """With the incident in another phase since now."""
        return self.put(replace(incident, phase=phase, phase_since=self.at))

    def plan(self, entry: LedgerEntry) -> Self:
        return replace(self, planned=(*self.planned, entry))

    def enter(self, entry: LedgerEntry) -> Self:
        """With the entry as the newest of the budget ledger, in the place of an earlier one of the same act."""
        others = tuple(other for other in self.memory.ledger if other.action_id != entry.action_id)
        return self.remember(replace(self.memory, ledger=(*others, entry)))

    def grade(self, incident: str, *, useful: bool, verdict: str) -> Self:
        """Say of an incident's acts whether they helped; budgets, back-off and breaker learn from it."""
        entries = ledger.graded(self.memory.ledger, incident, useful=useful, verdict=verdict)
        return self.remember(replace(self.memory, ledger=entries))

    def clear(self, pod: PodRef, until: float) -> Self:
        """The drain showed that the errors stay without the pod: it is cleared for a while."""
        return self.remember(replace(self.memory, cleared={**self.memory.cleared, pod: until}))

    def rest(self, resting: Mapping[Culprit, float]) -> Self:
        """With the culprits that only new evidence makes another incident of."""
        return self.remember(replace(self.memory, resting=resting))

    def wait(self, incident: Incident, seconds: float) -> Self:
        """Nothing of the incident is tried again for so long."""
        until = {**self.memory.not_before, incident.id: self.at + seconds}
        return self.remember(replace(self.memory, not_before=until))

    def go_on(self, incident: Incident) -> Self:
        """What the incident waited for is over."""
        waits = {key: until for key, until in self.memory.not_before.items() if key != incident.id}
        return self.remember(replace(self.memory, not_before=waits))

    def label_written(self, pod: PodRef) -> Self:
        """The series of the pod may change their names for two scrapes."""
        return self.remember(replace(self.memory, label_writes={**self.memory.label_writes, pod: self.at}))

    def look_into(self, alerts: Mapping[str, PendingAlert]) -> Self:
        """With the alerts that are looked into."""
        return self.remember(replace(self.memory, looking=alerts))

    def forget(self, subject: str, kind: str) -> Self:
        """What was announced is over."""
        published = {key: value for key, value in self.memory.published.items() if key != (subject, kind)}
        return (
            self
            if len(published) == len(self.memory.published)
            else self.remember(replace(self.memory, published=published))
        )

    # --- what is written down

    def close(self, incident: Incident, reason: str, text: str, *, severity: Severity = Severity.INFO) -> Self:
        """Close the incident and tell why; whatever was told about it may be told again."""
        closed = replace(
            incident,
            phase=Phase.CLOSED,
            phase_since=self.at,
            closing=reason,
            closed=self.at,
            drain_expires=0.0,
            restoring="",
            blocked={},
        )
        memory = replace(
            self.memory,
            incidents={**self.memory.incidents, closed.id: closed},
            baselines={key: baseline for key, baseline in self.memory.baselines.items() if key != closed.id},
            resting={**self.memory.resting, closed.culprit: closed.evidence_score},
            published={key: value for key, value in self.memory.published.items() if key[0] != closed.id},
        )
        return self.remember(memory).publish(closed, Kind.CLOSED, reason, text, severity=severity)

    def publish(
        self,
        incident: Incident,
        kind: Kind,
        reason: str,
        text: str,
        *,
        severity: Severity = Severity.INFO,
        figures: Figures | None = None,
        outcome: Outcome | None = None,
        action_kind: ActionKind | None = None,
    ) -> Self:
        """Record something about an incident that people should know; nobody acts on it."""
        return self.record(
            incident, kind, Verdict.TELL, reason, text,
            severity=severity, figures=figures, outcome=outcome, action_kind=action_kind,
        )  # fmt: skip

    def publish_once(
        self, incident: Incident, kind: Kind, reason: str, text: str, *, severity: Severity = Severity.INFO
    ) -> Self:
        """The same, but only when the reason differs from what was told last."""
        key, value = (incident.id, kind), (Verdict.TELL.value, reason)
        if self.memory.published.get(key) == value:
            return self
        return self.mark(key, value).publish(incident, kind, reason, text, severity=severity)

    def announce(
        self,
        subject: str,
        kind: Kind,
        reason: str,
        text: str,
        *,
        severity: Severity = Severity.WARNING,
        service: ServiceRef | None = None,
        figures: Figures | None = None,
    ) -> Self:
        """Record something that belongs to no incident, when it changed."""
        key, value = (subject, kind), (Verdict.TELL.value, reason)
        if self.memory.published.get(key) == value:
            return self
        settings = self.rules.settings
        return self.mark(key, value).add(
            Decision(
                "", self.at, kind, Verdict.TELL, subject, reason, text,
                mode=settings.mode, service=service, figures=figures or {}, config=settings.identity, severity=severity,
            )
        )  # fmt: skip

    def block(self, incident: Incident, action_kind: ActionKind, blocked_by: tuple[Blocked, ...], text: str) -> Self:
        """Record that guards forbid an action, when verdict or reasons changed; keeps since when each reason stands."""
        standing = {answer.reason: incident.blocked.get(answer.reason, self.at) for answer in blocked_by}
        changed = replace(incident, blocked=standing)
        log, reasons = self.put(changed), tuple(sorted(standing))
        key, value = (incident.id, "step"), (Verdict.BLOCKED.value, action_kind.value, *reasons)
        if self.memory.published.get(key) == value:
            return log
        first = next((answer for answer in blocked_by if answer.refused), blocked_by[0])
        return log.mark(key, value).record(
            changed, Kind.BLOCKED, Verdict.BLOCKED, first.reason, text,
            severity=Severity.WARNING, blocked_by=blocked_by, action_kind=action_kind,
        )  # fmt: skip

    def would(self, incident: Incident, action_kind: ActionKind, reason: str, text: str) -> Self:
        """Record what would be done in another mode, once."""
        key, value = (incident.id, "step"), (Verdict.WOULD.value, action_kind.value, reason)
        if self.memory.published.get(key) == value:
            return self
        log = self.mark(key, value)
        return log.record(incident, Kind(action_kind.value), Verdict.WOULD, reason, text, action_kind=action_kind)

    def act(
        self, incident: Incident, action: Action, reason: str, text: str, *, severity: Severity = Severity.INFO
    ) -> Self:
        """Record an act; it is carried out after this tick."""
        kind = action.action_kind
        return self.mark((incident.id, "step"), (Verdict.ACT.value, kind.value, reason)).record(
            incident, Kind(kind.value), Verdict.ACT, reason, text,
            severity=severity, action_kind=kind, action=action,
        )  # fmt: skip

    def add(self, decision: Decision) -> Self:
        """Record a decision that belongs to no open incident."""
        return replace(self, decisions=(*self.decisions, self._stamped(decision)))

    def action(
        self, incident: Incident, action_kind: ActionKind, target: Target, *, version: str = "", reason: str = ""
    ) -> Action:
        """The write of an action: its id counts the earlier attempts, so that asking twice is one act."""
        policy = self.policy(incident)
        runs = actions.of(action_kind).runs
        expires = self.at + policy.escalation.drain_seconds if runs else 0.0
        return Action(
            action_kind=action_kind,
            incident=incident.id,
            target=target,
            attempt=incident.attempts.get(action_kind, 0),
            resource_version=version,
            expires=expires,
            term=self.memory.term,
            dry_run=policy.mode is Mode.DRY_RUN and actions.harmful(action_kind),
            reason=reason,
        )

    def mark(self, key: tuple[str, str], value: tuple[str, ...]) -> Self:
        """With what was told last of a subject and kind."""
        return self.remember(replace(self.memory, published={**self.memory.published, key: value}))

    def record(
        self,
        incident: Incident,
        kind: Kind,
        verdict: Verdict,
        reason: str,
        text: str,
        *,
        severity: Severity = Severity.INFO,
        figures: Figures | None = None,
        outcome: Outcome | None = None,
        action_kind: ActionKind | None = None,
        action: Action | None = None,
        blocked_by: tuple[Blocked, ...] = (),
    ) -> Self:
        """With one more decision about an incident."""
        policy = self.policy(incident)
        return self.add(
            Decision(
                "", self.at, kind, verdict, str(incident.culprit), reason, text,
                incident=incident.id, action_kind=action_kind, mode=policy.mode, pod=incident.culprit.pod,
                service=incident.service, workload=incident.workload, action=action, outcome=outcome,
                blocked_by=blocked_by, figures={**figures_of(incident), **(figures or {})}, config=policy.identity,
                severity=severity, target=action.target if action is not None else None,
            )
        )  # fmt: skip

    def _stamped(self, decision: Decision) -> Decision:
        """With the hash of its content as id; its place in the log tells two equal ones apart."""
        action = decision.action.id if decision.action is not None else ""
        parts = (
            repr(decision.at), decision.kind, decision.verdict.value, decision.subject, decision.reason, decision.text,
            decision.incident, decision.action_kind.value if decision.action_kind else "", action,
            repr(decision.blocked_by), repr(sorted(decision.figures.items())), decision.config,
            str(len(self.decisions)),
        )  # fmt: skip
        return replace(decision, id=hashlib.sha256("|".join(parts).encode()).hexdigest()[:24])


def figures_of(incident: Incident) -> dict[str, float | str | bool | None]:
    """The numbers an incident stands on."""
    figures: dict[str, float | str | bool | None] = {
        "phase": incident.phase.value,
        "symptom": incident.symptom.value,
        "evidence_score": round(incident.evidence_score, 3),
        "tier": incident.tier.name.lower(),
        "bad_rate": round(incident.p1, 5),
        "peer_bad_rate": round(incident.p0, 5),
        "requests": round(incident.requests, 1),
        "bad": round(incident.bad, 1),
        "share": round(incident.share, 4),
        "onset": round(incident.onset, 3),
    }
    if (running := incident.experiment) is not None:
        figures |= {
            "drain_log_odds": round(running.log_odds, 3),
            "drain_requests": round(running.requests, 1),
            "drain_bad": round(running.bad, 1),
            "drain_verdict": running.verdict.value,
        }
    if (check := incident.check) is not None:
        figures |= {
            "verify_requests": round(check.requests, 1),
            "verify_bad": round(check.bad, 1),
            "verify_log_odds": round(check.log_odds, 3),
            "verification": check.verdict.value,
            "replacement": check.replacement.name if check.replacement is not None else None,
        }
    if incident.attribution is not None:
        figures |= attribution_figures(incident.attribution)
    if incident.evidence_at:
        figures["evidence_at"] = incident.evidence_at
    return figures


def attribution_figures(attribution: Attribution) -> dict[str, float | str | bool | None]:
    """The causes, in the flat form of figures: the first three, the lines of the first, and what was missing."""
    first = attribution.ranked[0]
    return {
        "attribution": str(first.cause),
        "attribution_probability": round(first.probability, 6),
        "attribution_inherited": round(first.inherited, 4),
        "attribution_unknown": round(attribution.unknown, 6),
        "attribution_ranked": ", ".join(f"{cause.cause} {cause.probability:.4f}" for cause in attribution.ranked[:3]),
        "attribution_evidence": "; ".join(f"{line.word} {line.score:+.1f}: {line.text}" for line in first.lines),
        "attribution_gaps": ", ".join(attribution.gaps),
        "attribution_at": attribution.at,
    }


def incident_id(subject: str, uid: str, opened: float) -> str:
    """Stable id of an incident: culprit and opening instant, hashed."""
    return hashlib.sha256(f"{subject}|{uid}|{opened!r}".encode()).hexdigest()[:16]
