"""Carries one decision out: last looks, intent, write, outcome. Nothing is retried here: the next tick decides anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from observer import actions
from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.decision import Decision, LedgerEntry
from observer.domain.errors import (
    ActuatorUnavailable,
    DuplicateIntent,
    JournalUnavailable,
    SourceProtocolError,
    SourceUnavailable,
)
from observer.domain.incident import Incident
from observer.domain.json_values import mapping
from observer.domain.outcome import Outcome, Result
from observer.engine.remediation.escalation import ledger_entry
from observer.ports.actuators import Actuator, KillSwitch
from observer.ports.sources import Clock, Cluster
from observer.ports.stores import ApprovalStore, Journal, Lease
from observer.runtime.evidence import EvidenceStore

log = structlog.get_logger(__name__)


class Executor:
    """
    Executes decisions that say ACT.

    ``fresh_for`` (seconds) is how old a decision may be when it is written: older evidence is asked again by the next
    tick instead. ``approvals`` is asked again before each write that a person had to approve; without it none of these
    is written. RESTORE needs neither a running switch nor fresh evidence: restoring is always the safe way.
    """

    def __init__(
        self,
        *,
        actuators: Mapping[ActionKind, Actuator],
        cluster: Cluster,
        journal: Journal,
        lease: Lease,
        switch: KillSwitch,
        evidence: EvidenceStore,
        clock: Clock,
        fresh_for: float,
        approvals: ApprovalStore | None = None,
    ) -> None:
        self._actuators, self._cluster, self._journal = actuators, cluster, journal
        self._lease, self._switch, self._evidence = lease, switch, evidence
        self._clock, self._fresh_for = clock, fresh_for
        self._approvals = approvals

    async def carry_out(self, decision: Decision, incident: Incident | None) -> tuple[Outcome, str]:
        """
        Returns the outcome and, for an eviction, the folder of the kept evidence (empty otherwise).

        Never raises for what the API or the journal may answer; a journal that cannot promise durability holds
        everything but RESTORE.
        """
        action = decision.action
        if action is None:
            raise ValueError(f"decision {decision.id} carries no action")
        objection = await self._last_look(decision, action)
        if objection is not None:
            return objection, ""
        folder = ""
        if actions.of(action.action_kind).keeps_evidence and not action.dry_run:
            folder, objection = await self._keep_evidence(decision, action)
            objection = objection or await self._last_look(decision, action)
            if objection is not None:
                return objection, folder
        outcome = await self._write(decision, action, ledger_entry(action, incident, self._clock.now()))
        log.info(
            "action_executed",
            action_kind=action.action_kind.value,
            target=action.target.subject,
            uid=action.target.uid,
            action_id=action.id,
            outcome=outcome.result.value,
            reason=outcome.reason,
            detail=outcome.detail,
        )
        return outcome, folder

    async def look_up(self, action: Action) -> Outcome:
        """
        What came of an intent whose answer was never seen; settles it when that can be known. Never raises: what the
        journal cannot be told leaves the intent open, and the next start looks it up again.
        """
        try:
            outcome = await self._actuators[action.action_kind].look_up(action)
        except ActuatorUnavailable as exc:
            return Outcome(action.id, Result.UNKNOWN, "look_up_failed", str(exc))
        if outcome.result is not Result.UNKNOWN:
            await self._noted(action, outcome)
        return outcome

    async def _last_look(self, decision: Decision, action: Action) -> Outcome | None:
        if (outdated := self._outdated(decision, action)) is not None:
            return outdated
        if not actions.harmful(action.action_kind):
            return None
        if (stopped := await self._stopped(action)) is not None:
            return stopped
        if action.target.pod is None:
            return None  # whoever carries it out reads it again before the write
        try:
            raw = await self._cluster.pod_now(action.target.pod)
        except (SourceUnavailable, SourceProtocolError) as exc:
            return Outcome(action.id, Result.DEFERRED, "pod_unreadable", str(exc))
        return _objection(action, raw)

    def _outdated(self, decision: Decision, action: Action) -> Outcome | None:
        if not self._lease.held() or (action.term and self._lease.term != action.term):
            return Outcome(action.id, Result.DEFERRED, "not_leader", "the Lease is held by another Observer")
        age = self._clock.now() - decision.at
        if actions.harmful(action.action_kind) and age > self._fresh_for:
            return Outcome(action.id, Result.DEFERRED, "stale_decision", f"decided {age:.1f} s ago")
        return None

    async def _stopped(self, action: Action) -> Outcome | None:
        """What people say against it at this moment."""
        paused, why = await self._switch.read()
        if paused:
            return Outcome(action.id, Result.DEFERRED, "paused", why)
        if action.approval and (why := await self._not_approved(action.approval)):
            return Outcome(action.id, Result.DEFERRED, "not_approved", why)
        return None

    async def _not_approved(self, plan: str) -> str:
        """Why a person's word does not hold at this moment; empty when it does."""
        if self._approvals is None:
            return "nobody can say whether it is approved"
        now = self._clock.now()
        try:
            standing = await self._approvals.standing(now)
        except JournalUnavailable as exc:
            return f"approvals cannot be read: {exc}"
        if any(approval.plan == plan and approval.given <= now < approval.until for approval in standing):
            return ""
        return f"approval {plan} is over or was withdrawn"

    async def _keep_evidence(self, decision: Decision, action: Action) -> tuple[str, Outcome | None]:
        try:
            raw = await self._cluster.pod_now(action.pod)
            if raw is None:
                return "", Outcome(action.id, Result.SUPERSEDED, "gone", "that incarnation is gone")
            return str(await self._evidence.keep(action.pod, raw, decision)), None
        except (SourceUnavailable, SourceProtocolError, OSError) as exc:
            return "", Outcome(action.id, Result.DEFERRED, "evidence_not_kept", str(exc))

    async def _write(self, decision: Decision, action: Action, entry: LedgerEntry) -> Outcome:
        try:
            await self._journal.intend(action, entry)
        except DuplicateIntent:
            return await self.look_up(action)
        except JournalUnavailable as exc:
            if actions.harmful(action.action_kind):
                return Outcome(action.id, Result.DEFERRED, "journal_unavailable", str(exc))
        # A slow disk may have held the intent for long: Lease, age and people's word count as of the write itself.
        objection = await self._stopped(action) if actions.harmful(action.action_kind) else None
        objection = self._outdated(decision, action) or objection
        if objection is not None:
            await self._noted(action, objection)
            return objection
        try:
            outcome = await self._actuators[action.action_kind].apply(action)
        except ActuatorUnavailable as exc:
            return Outcome(action.id, Result.UNKNOWN, "no_answer", str(exc))
        await self._noted(action, outcome)
        return outcome

    async def _noted(self, action: Action, outcome: Outcome) -> None:
        try:
            await self._journal.record_outcome(action.id, outcome, self._clock.now())
        except JournalUnavailable as exc:
            log.error("outcome_not_recorded", action_id=action.id, outcome=outcome.result.value, detail=str(exc))


def _objection(action: Action, raw: Mapping[str, object] | None) -> Outcome | None:
    """What the pod object, read a moment before the write, says against it."""
    if raw is None:
        return Outcome(action.id, Result.SUPERSEDED, "gone", "that incarnation is gone")
    meta = mapping(raw.get("metadata"))
    labels, annotations = mapping(meta.get("labels")), mapping(meta.get("annotations"))
    if meta.get("deletionTimestamp"):
        return Outcome(action.id, Result.SUPERSEDED, "terminating", "it is being deleted already")
    if annotations.get(names.OPT_OUT) == "true":
        return Outcome(action.id, Result.SUPERSEDED, "opt_out", f"annotation {names.OPT_OUT} was set meanwhile")
    ours = names.DRAIN_ANNOTATION in annotations
    effect = actions.of(action.action_kind).effect
    if effect is actions.Effect.EXPERIMENT and labels.get(names.DRAIN_LABEL) and not ours:
        return Outcome(action.id, Result.SUPERSEDED, "drained_by_other", "somebody else drains it")
    if effect is actions.Effect.REPLACEMENT and ours and not labels.get(names.DRAIN_LABEL):
        return Outcome(action.id, Result.SUPERSEDED, "person_took_it", "a person took the drain label off")
    return None


def with_outcome(decision: Decision, outcome: Outcome) -> Decision:
    """The same decision, now with what came of it."""
    return replace(decision, outcome=outcome)
