"""The worksheet of one tick: what was decided so far and the memory that will come of it. Lives for one call only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from observer import actions
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.attribution import Attribution
from observer.domain.decision import Blocked, Decision, LedgerEntry, Verdict
from observer.domain.ids import ServiceRef, Target, WorkloadRef
from observer.domain.incident import Incident, Phase
from observer.domain.outcome import Outcome
from observer.domain.policy import EffectivePolicies, EffectivePolicy
from observer.domain.settings import EngineSettings
from observer.domain.suspect import FULL_SCORE, Culprit, Evidence, Tier
from observer.engine import ledger
from observer.engine.memory import IN_PROGRESS, Baseline, Memory

NEW_EVIDENCE = 0.01
"""Nats by which evidence must grow to count as new."""

Figures = Mapping[str, float | str | bool | None]


@dataclass(slots=True)
class DecisionLog:
    """
    Collects decisions and changes.

    ``needs`` are the nats of each tier, for the texts. ``planned`` are the harmful acts decided in this tick.
    ``policies``
    holds the policy of each workload.
    """

    at: float
    settings: EngineSettings
    memory: Memory
    needs: Mapping[Tier, float] = field(default_factory=dict)
    policies: EffectivePolicies = field(default_factory=EffectivePolicies)
    decisions: list[Decision] = field(default_factory=list)
    planned: list[LedgerEntry] = field(default_factory=list)
    _told: dict[tuple[str, str], tuple[str, ...]] = field(init=False)
    _incidents: dict[str, Incident] = field(init=False)
    _backdrops: dict[str, Baseline] = field(init=False)
    _resting: dict[Culprit, float] = field(init=False)
    _in_hand: tuple[Incident, ...] | None = field(init=False, default=None)
    _without_policy: EffectivePolicy = field(init=False)

    def __post_init__(self) -> None:
        self._without_policy = EffectivePolicy.of(self.settings)
        self._told = dict(self.memory.told)
        self._incidents = dict(self.memory.incidents)
        self._backdrops = dict(self.memory.baselines)
        self._resting = dict(self.memory.resting)

    def finish(self) -> Memory:
        """The memory after this turn."""
        return replace(
            self.memory,
            told=self._told,
            incidents=self._incidents,
            baselines=self._backdrops,
            resting=self._resting,
        )

    def rested(self, suspects: Mapping[Culprit, Evidence]) -> frozenset[Culprit]:
        """
        The suspected culprits whose last incident is closed and against whom nothing new was found since.

        ``suspects`` holds today's evidence against everybody suspected.
        """
        closed = {one.culprit: one.closed for one in self._incidents.values() if one.culprit in self._resting}
        still: dict[Culprit, float] = {}
        for culprit, lowest in self._resting.items():
            found = suspects.get(culprit)
            if found is None:
                continue
            evidence_score = found.acting_score
            goes_on = evidence_score >= FULL_SCORE and found.newest > closed.get(culprit, self.at)
            if evidence_score <= lowest + NEW_EVIDENCE and not goes_on:
                still[culprit] = min(lowest, evidence_score)
        self._resting = still
        return frozenset(still)

    def grade(self, incident: str, *, useful: bool, verdict: str) -> None:
        """Say of an incident's acts whether they helped; budgets, back-off and breaker learn from it."""
        self.memory = replace(
            self.memory, ledger=ledger.graded(self.memory.ledger, incident, useful=useful, verdict=verdict)
        )

    def policy(self, subject: Incident | WorkloadRef | None) -> EffectivePolicy:
        """What holds for an incident's workload, or for a workload; the settings where no policy does."""
        workload = subject.workload if isinstance(subject, Incident) else subject
        return self._without_policy if workload is None else self.policies.applied.get(workload, self._without_policy)

    def incident(self, key: str) -> Incident:
        return self._incidents[key]

    def incidents(self) -> tuple[Incident, ...]:
        """Open incidents as they stand now, oldest first."""
        found = (one for one in self._incidents.values() if one.phase is not Phase.CLOSED)
        return tuple(sorted(found, key=lambda one: (one.opened, one.id)))

    def in_progress(self) -> tuple[Incident, ...]:
        """Open incidents in which something was done, may have been done, or is planned in this tick."""
        if self._in_hand is None:
            planned = {entry.incident for entry in self.planned}
            planned |= {entry.incident for entry in self.memory.ledger if not entry.settled}
            self._in_hand = tuple(i for i in self.incidents() if i.phase in IN_PROGRESS or i.id in planned)
        return self._in_hand

    def put(self, incident: Incident) -> Incident:
        before = self._incidents.get(incident.id)
        if before == incident:
            return before
        self._incidents[incident.id] = incident
        if incident.phase in IN_PROGRESS or (before is not None and before.phase in IN_PROGRESS):
            self._in_hand = None
        return incident

    def plan(self, entry: LedgerEntry) -> None:
        self.planned.append(entry)
        self._in_hand = None

    def baseline(self, incident: Incident) -> Baseline:
        return self._backdrops.get(incident.id, Baseline())

    def put_baseline(self, incident: Incident, baseline: Baseline) -> Baseline:
        self._backdrops[incident.id] = baseline
        return baseline

    def phase(self, incident: Incident, phase: Phase) -> Incident:
        """The incident in another phase since now."""
        return self.put(replace(incident, phase=phase, phase_since=self.at))

    def close(self, incident: Incident, reason: str, text: str, *, severity: str = "info") -> Incident:
        """Close and tell."""
        closed = self.put(
            replace(
                incident,
                phase=Phase.CLOSED,
                phase_since=self.at,
                closing=reason,
                closed=self.at,
                drain_expires=0.0,
                restoring="",
                blocked={},
            )
        )
        self._backdrops.pop(incident.id, None)
        self._resting[incident.culprit] = incident.evidence_score
        for key in [key for key in self._told if key[0] == incident.id]:
            del self._told[key]
        self.tell(closed, "closed", reason, text, severity=severity)
        return closed

    def tell(
        self,
        incident: Incident,
        kind: str,
        reason: str,
        text: str,
        *,
        severity: str = "info",
        figures: Figures | None = None,
        outcome: Outcome | None = None,
        action_kind: ActionKind | None = None,
    ) -> None:
        """Record something about an incident that people should know; nobody acts on it."""
        self._add(
            incident, kind, Verdict.TELL, reason, text,
            severity=severity, figures=figures, outcome=outcome, action_kind=action_kind,
        )  # fmt: skip

    def tell_once(self, incident: Incident, kind: str, reason: str, text: str, *, severity: str = "info") -> None:
        """The same, but only when the reason differs from what was told last."""
        if self._changed((incident.id, kind), (Verdict.TELL.value, reason)):
            self.tell(incident, kind, reason, text, severity=severity)

    def announce(
        self,
        subject: str,
        kind: str,
        reason: str,
        text: str,
        *,
        severity: str = "warning",
        service: ServiceRef | None = None,
        figures: Figures | None = None,
    ) -> None:
        """Record something that belongs to no incident, when it changed."""
        if self._changed((subject, kind), (Verdict.TELL.value, reason)):
            self.add(
                Decision(
                    "", self.at, kind, Verdict.TELL, subject, reason, text,
                    mode=self.settings.mode, service=service, figures=figures or {},
                    config=self.settings.identity, severity=severity,
                )
            )  # fmt: skip

    def forget(self, subject: str, kind: str) -> bool:
        """What was announced is over; returns whether it had been announced."""
        return self._told.pop((subject, kind), None) is not None

    def announced(self) -> tuple[tuple[str, str], ...]:
        """``(subject, kind)`` of everything that was told and is not over."""
        return tuple(self._told)

    def block(
        self, incident: Incident, action_kind: ActionKind, blocked_by: tuple[Blocked, ...], text: str
    ) -> Incident:
        """Record that brakes forbid a rung, when verdict or reasons changed; keeps since when each reason stands."""
        standing = {block.reason: incident.blocked.get(block.reason, self.at) for block in blocked_by}
        changed = self.put(replace(incident, blocked=standing))
        reasons = tuple(sorted(standing))
        if self._changed((incident.id, "step"), (Verdict.BLOCKED.value, action_kind.value, *reasons)):
            first = next((block for block in blocked_by if block.refused), blocked_by[0])
            self._add(
                changed,
                "blocked",
                Verdict.BLOCKED,
                first.reason,
                text,
                severity="warning",
                blocked_by=blocked_by,
                action_kind=action_kind,
            )
        return changed

    def would(self, incident: Incident, action_kind: ActionKind, reason: str, text: str) -> None:
        """Record what would be done in another mode, once."""
        if self._changed((incident.id, "step"), (Verdict.WOULD.value, action_kind.value, reason)):
            self._add(incident, action_kind.value, Verdict.WOULD, reason, text, action_kind=action_kind)

    def act(self, incident: Incident, action: Action, reason: str, text: str, *, severity: str = "info") -> None:
        """Record an act; it is carried out after this turn."""
        self._told[incident.id, "step"] = (Verdict.ACT.value, action.action_kind.value, reason)
        self._add(
            incident, action.action_kind.value, Verdict.ACT, reason, text,
            severity=severity, action_kind=action.action_kind, action=action,
        )  # fmt: skip

    def action(
        self, incident: Incident, action_kind: ActionKind, target: Target, *, version: str = "", reason: str = ""
    ) -> Action:
        """The write for a rung: its id counts the earlier attempts, so that asking twice is one act."""
        policy = self.policy(incident)
        expires = (
            self.at + policy.escalation.drain_seconds
            if actions.has_effect(action_kind, actions.Effect.EXPERIMENT)
            else 0.0
        )
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

    def add(self, decision: Decision) -> None:
        """Record a decision that belongs to no open incident."""
        self.decisions.append(self._stamped(decision))

    def _changed(self, key: tuple[str, str], value: tuple[str, ...]) -> bool:
        if self._told.get(key) == value:
            return False
        self._told[key] = value
        return True

    def _add(
        self,
        incident: Incident,
        kind: str,
        verdict: Verdict,
        reason: str,
        text: str,
        *,
        severity: str = "info",
        figures: Figures | None = None,
        outcome: Outcome | None = None,
        action_kind: ActionKind | None = None,
        action: Action | None = None,
        blocked_by: tuple[Blocked, ...] = (),
    ) -> None:
        policy = self.policy(incident)
        self.add(
            Decision(
                "", self.at, kind, verdict, str(incident.culprit), reason, text,
                incident=incident.id, action_kind=action_kind, mode=policy.mode, pod=incident.culprit.pod,
                service=incident.service, workload=incident.workload, action=action, outcome=outcome,
                blocked_by=blocked_by,
                figures={**figures_of(incident), **(figures or {})}, config=policy.identity, severity=severity,
                target=action.target if action is not None else None,
            )
        )  # fmt: skip

    def _stamped(self, decision: Decision) -> Decision:
        """With the hash of its content as id; its place in the turn tells two equal ones apart."""
        action = decision.action.id if decision.action is not None else ""
        parts = (
            repr(decision.at), decision.kind, decision.verdict.value, decision.subject, decision.reason, decision.text,
            decision.incident, decision.action_kind.value if decision.action_kind else "", action,
            repr(decision.blocked_by),
            repr(sorted(decision.figures.items())), decision.config, str(len(self.decisions)),
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
    """Who is to blame, in the flat form of figures: the first three, the lines of the first, and what was missing."""
    first = attribution.ranked[0]
    return {
        "attribution": str(first.cause),
        "attribution_probability": round(first.probability, 6),
        "attribution_inherited": round(first.inherited, 4),
        "attribution_unknown": round(attribution.unknown, 6),
        "attribution_ranked": ", ".join(f"{one.cause} {one.probability:.4f}" for one in attribution.ranked[:3]),
        "attribution_evidence": "; ".join(f"{line.word} {line.score:+.1f}: {line.text}" for line in first.lines),
        "attribution_gaps": ", ".join(attribution.gaps),
        "attribution_at": attribution.at,
    }


def incident_id(subject: str, uid: str, opened: float) -> str:
    """Stable id of an incident: culprit and opening instant, hashed."""
    return hashlib.sha256(f"{subject}|{uid}|{opened!r}".encode()).hexdigest()[:16]
