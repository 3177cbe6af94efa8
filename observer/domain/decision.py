"""The record of one decision, to act or not to. It is what every sink, ``why`` and the audit trail receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome
from observer.domain.reasons import GuardName, Reason
from observer.domain.severities import Severity


@dataclass(frozen=True, slots=True)
class Allowed:
    """A guard has no objection."""

    guard: GuardName


@dataclass(frozen=True, slots=True)
class Blocked:
    """
    A guard says no.

    ``detail`` are the figures for people;
    ``refused`` = will not change by waiting (opt-out, system pod), so nothing is asked again.
    """

    guard: GuardName
    reason: Reason
    detail: str
    refused: bool = False


class Verdict(StrEnum):
    """ACT: the action is to be carried out. WOULD: it would be, but for the mode. BLOCKED: a guard forbids it.
    TELL: something people should know and nobody acts on."""

    ACT = "act"
    WOULD = "would"
    BLOCKED = "blocked"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Decision:
    """
    One dated decision.

    Attributes:
        id: hash of its content; the same snapshot and settings give the same id.
        kind: fixed word for machines. An action's own id is the kind of the decision to do it, so an action that was
            registered from outside has a kind that is not ``listed``, as has what another version wrote.
        subject: the culprit in words (``pod shop/cart-1``).
        reason: fixed snake_case word; ``text`` the sentence for people with the figures.
        blocked_by: every guard that said no (all are asked).
        figures: numbers and names behind it, JSON-like.
        config: identity (hash) of the settings that were in force.
        severity: how much it asks of people; a word of another version can be read, ``at_least`` takes it as grave.
        target: what the action is done to, or would be; None where there is no action.
    """

    id: str
    at: float
    kind: Kind
    verdict: Verdict
    subject: str
    reason: str
    text: str
    incident: str = ""
    action_kind: ActionKind | None = None
    mode: Mode = Mode.SHADOW
    pod: PodRef | None = None
    service: ServiceRef | None = None
    workload: WorkloadRef | None = None
    action: Action | None = None
    outcome: Outcome | None = None
    blocked_by: tuple[Blocked, ...] = ()
    figures: Mapping[str, float | str | bool | None] = field(default_factory=dict)
    config: str = ""
    severity: Severity = Severity.INFO
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """
    One action in the budget ledger: what every rate, back-off and breaker counts by. It survives a restart.

    ``useful`` is None until the verification (or the experiment, for a drain) has spoken.
    """

    action_id: str
    at: float
    action_kind: ActionKind
    incident: str
    target: Target
    workload: WorkloadRef | None
    service: ServiceRef | None
    culprit_kind: str
    symptom: str
    node: str
    revision: str
    settled: bool = False
    applied: bool = False
    useful: bool | None = None
    verdict: str = ""
