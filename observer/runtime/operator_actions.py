"""
What a person may do through us: approve, take it back, undo, pause, resume. Each needs the hash of what was shown.

Nothing here decides: an approval lifts one guard in the engine, an undo is the restore that is always safe, and the
kill switch is the ConfigMap that is read before every write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from observer.actions import plan_of
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.approval import Approval, Plan
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ActuatorUnavailable, ObserverError, SwitchChanged
from observer.domain.incident import Incident
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.domain.person import Person
from observer.domain.severities import Severity
from observer.engine.remediation.approvals import restore_action
from observer.ports.actuators import Actuator, KillSwitch, SwitchReading
from observer.ports.sources import Clock
from observer.ports.stores import Lease
from observer.runtime.inbox import ApprovalCache

PAUSE_PLAN: Final = hashlib.sha256(b"pause").hexdigest()[:24]
"""Stopping is the same act whatever the switch says now, so nobody is ever too late for it."""
TRIES: Final = 3
"""How often a pause is tried again over a change of the same instant."""


class NoSuchIncident(ObserverError):
    """No open incident, and none of the last day, has this id."""


class NotNow(ObserverError):
    """It cannot be done as things stand; ``reason`` is a fixed word, the message says what to do."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SwitchState:
    """The kill switch as it was read, and the hash that a resume must repeat: of what the person was told."""

    paused: bool
    reason: str

    @property
    def resume_plan(self) -> str:
        return hashlib.sha256(f"resume|{self.paused}|{self.reason}".encode()).hexdigest()[:24]


class OperatorActions:
    """
    ``incidents`` are those of the loop, ``record`` tells every sink and the journal what a person did.

    Methods raise ``NoSuchIncident``, ``NotNow``, and ``JournalUnavailable`` or ``ActuatorUnavailable`` when it is not
    known to be done.
    """

    def __init__(
        self,
        *,
        approvals: ApprovalCache,
        restore: Actuator,
        switch: KillSwitch,
        lease: Lease,
        clock: Clock,
        incidents: Callable[[], Mapping[str, Incident]],
        record: Callable[[Decision], Awaitable[None]],
        mode: Callable[[], Mode],
    ) -> None:
        self._approvals, self._restore, self._switch, self._lease = approvals, restore, switch, lease
        self._clock, self._incidents, self._record, self._mode = clock, incidents, record, mode

    def plans(self, incident: str) -> tuple[Plan | None, Plan | None]:
        """What waits for a word, and what can be undone, in this incident."""
        return self._approvals.plan(incident), self._undo(self._incident(incident))[1]

    def waiting(self) -> tuple[Plan, ...]:
        """Every plan that waits for a word."""
        return self._approvals.plans

    def given(self, incident: str) -> tuple[Approval, ...]:
        """Words that count now for this incident."""
        return self._approvals.given(incident, self._clock.now())

    async def approve(self, incident: str, shown: str, person: Person) -> Approval:
        """A person's word for the plan that waits, if it is the one that was shown."""
        open_incident = self._incident(incident)
        if not self._lease.held():
            raise NotNow("not_leader", "this replica does not lead: approve where /api/v1/status says leader")
        plan = self._approvals.plan(incident)
        if plan is None:
            raise NotNow("nothing_waits", "nothing waits for a person's word in this incident now")
        if plan.hash != shown:
            raise NotNow("plan_changed", "what would be done is another act than the one shown: look again")
        for approval in self.given(incident):
            if approval.plan == shown and approval.who == person.name:
                return approval
        word = Approval(shown, incident, plan.target, plan.action_kind, person.name, person.by, self._clock.now())
        await self._approvals.give(word)
        what = f"{plan.action_kind.value} of {plan.target.name}"
        text = f"{person.name} approved: {what}, within 15 min and if it is still due."
        await self._recorded(Kind.APPROVED, open_incident, person, text, plan.action_kind, shown)
        return word

    async def withdraw(self, incident: str, shown: str, person: Person) -> None:
        """Take back every word for this plan."""
        open_incident = self._incident(incident)
        approval = next((approval for approval in self.given(incident) if approval.plan == shown), None)
        if approval is None or not await self._approvals.withdraw(shown, person.name, self._clock.now()):
            raise NotNow("nothing_approved", "no approval of this plan counts now")
        text = f"{person.name} took back the approval of {approval.action_kind.value} of {approval.target.name}."
        await self._recorded(Kind.WITHDRAWN, open_incident, person, text, approval.action_kind, shown)

    async def undo(self, incident: str, shown: str, person: Person) -> Outcome:
        """Give the pod back now; the loop closes the incident when it sees it."""
        open_incident = self._incident(incident)
        action, plan = self._undo(open_incident)
        if action is None or plan is None:
            raise NotNow("nothing_to_undo", "nothing of Observer's is on this pod; an eviction cannot be undone")
        if plan.hash != shown:
            raise NotNow("plan_changed", "what would be undone is another act than the one shown: look again")
        outcome = await self._restore.apply(action)
        if outcome.result is not Result.APPLIED:
            raise NotNow(outcome.reason, f"not restored: {outcome.detail or outcome.reason}")
        text = f"{person.name} restored {action.target.name}."
        await self._recorded(Kind.UNDONE, open_incident, person, text, ActionKind.RESTORE, shown, outcome=outcome)
        return outcome

    async def switch(self) -> SwitchState:
        """The kill switch, read now."""
        return SwitchState(*await self._switch.read())

    async def pause(self, shown: str, reason: str, person: Person) -> SwitchState:
        """Stop every write but give-backs."""
        if shown != PAUSE_PLAN:
            raise NotNow("plan_changed", "this is not the plan of a pause: look again")
        try:
            before = await pause_switch(self._switch, who=person.name, reason=reason)
        except SwitchChanged as exc:
            raise NotNow("switch_changed", f"{exc}: look again") from exc
        return await self._switched(Kind.PAUSED, reason, person, before)

    async def resume(self, shown: str, person: Person) -> SwitchState:
        """Let Observer write again, if the switch says what the person was told."""
        reading = await self._switch.look()
        now = SwitchState(reading.paused, reading.why)
        if now.resume_plan != shown:
            raise NotNow("plan_changed", f"the switch says something else now: {now.reason or 'not paused'}")
        if not now.paused:
            raise NotNow("not_paused", "Observer is not paused")
        try:
            await resume_switch(self._switch, reading, who=person.name)
        except SwitchChanged as exc:
            raise NotNow("switch_changed", f"{exc}: look again") from exc
        return await self._switched(Kind.RESUMED, "", person, reading)

    async def _switched(self, kind: Kind, reason: str, person: Person, before: SwitchReading) -> SwitchState:
        """What stood there before is written down with it: a pause that is replaced is not forgotten."""
        over = f" Before: {before.why}." if before.paused else ""
        text = f"{person.name} {kind} Observer{f': {reason}' if reason else ''}.{over}"
        await self._recorded(kind, None, person, text, None)
        return await self.switch()

    def _incident(self, key: str) -> Incident:
        matching = self._incidents().get(key)
        if matching is None:
            raise NoSuchIncident(f"no incident {key} is open or was closed in the last day")
        return matching

    def _undo(self, incident: Incident) -> tuple[Action | None, Plan | None]:
        action = restore_action(incident, term=self._lease.term)
        return (action, plan_of(action, seconds=0.0)) if action is not None else (None, None)

    async def _recorded(
        self,
        kind: Kind,
        incident: Incident | None,
        person: Person,
        text: str,
        action_kind: ActionKind | None,
        plan: str = "",
        *,
        outcome: Outcome | None = None,
    ) -> None:
        at = self._clock.now()
        subject, key = (str(incident.culprit), incident.id) if incident is not None else ("observer", "")
        digest = hashlib.sha256("|".join((repr(at), kind, subject, key, person.name, plan)).encode()).hexdigest()[:24]
        await self._record(
            Decision(
                digest, at, kind, Verdict.TELL, subject, "person", text,
                incident=key, action_kind=action_kind, mode=self._mode(),
                pod=incident.culprit.pod if incident is not None else None,
                service=incident.service if incident is not None else None,
                workload=incident.workload if incident is not None else None,
                outcome=outcome, figures={"who": person.name, "by": person.by, "plan": plan}, severity=Severity.WARNING,
            )
        )  # fmt: skip


async def pause_switch(switch: KillSwitch, *, who: str, reason: str) -> SwitchReading:
    """
    Pause, and answer what the switch said before.

    A change of the same instant that stops Observer, too, stays as it is; one that lets it run (a resume, a label)
    would let it run against this person's word, so the stop is tried again over it; so it is when the switch is gone
    or cannot be read any more. One that cannot be read is written without a look: stopping must not depend on reading.

    Raises: ``SwitchChanged``, ``ActuatorUnavailable``.
    """
    before = await switch.look()
    for left in reversed(range(TRIES)):
        try:
            await switch.write(paused=True, who=who, reason=reason, over=before.version)
        except SwitchChanged as exc:
            if exc.paused or not left:
                raise
            before = await switch.look()
        else:
            break
    return before


async def resume_switch(switch: KillSwitch, reading: SwitchReading, *, who: str) -> None:
    """
    Resume what ``reading`` says, and nothing that came after it.

    Raises: ``SwitchChanged``; ``ActuatorUnavailable``, also when it could not be read.
    """
    if reading.version is None:
        raise ActuatorUnavailable(f"the kill switch {reading.why}")
    await switch.write(paused=False, who=who, reason="", over=reading.version)
