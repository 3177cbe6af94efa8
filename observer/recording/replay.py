"""The engine again, on what was recorded: the same decisions, or what other settings would have decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from observer.domain.cluster import ClusterView
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import RecordingError
from observer.domain.outcome import Outcome, Result
from observer.engine.decide import apply_outcome, decide
from observer.engine.memory import Memory
from observer.engine.remediation.restore import floor_check, recover
from observer.recording.codec import Codec
from observer.recording.events import (
    Began,
    Event,
    EvidenceSaved,
    FloorChecked,
    Recovered,
    Restored,
    RulesInForce,
    Settled,
    Ticked,
)

Decisions = tuple[Decision, ...]
WhatIf = Callable[[RulesInForce, ClusterView | None], RulesInForce]
"""From what was in force to what is to be tried; the cluster is None where an event has no picture of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question to the engine: what was decided when it was recorded, and what was decided now."""

    at: float
    recorded: Decisions
    replayed: Decisions

    @property
    def same(self) -> bool:
        """Byte for byte."""
        return canonical(self.recorded) == canonical(self.replayed)


def canonical(decisions: Decisions) -> bytes:
    """Decisions as bytes; equal bytes are equal decisions."""
    return msgspec.msgpack.encode(Codec().pack(decisions, Decisions))


def replay(events: Iterable[Event], what_if: WhatIf | None = None) -> Iterator[Step]:
    """
    Ask the engine everything again.

    With ``what_if`` other rules hold than those recorded. Acts that were carried out then get the answer they got
    then; an act that nobody carried out is answered as deferred: what it would have changed in the cluster is unknown.

    Raises: RecordingError for events that no loop makes.
    """
    again = _Replay(what_if)
    for event in events:
        if (step := again.take(event)) is not None:
            yield step
        yield from again.unanswered(event)


def followed(events: Iterable[Event]) -> Iterator[tuple[Event, Memory]]:
    """Each event with the engine's memory after it. Raises: RecordingError for events that no loop makes."""
    again = _Replay(None)
    for event in events:
        again.take(event)
        yield event, again.memory


class _Replay:
    """Memory, moved on event by event."""

    def __init__(self, what_if: WhatIf | None) -> None:
        self._what_if = what_if
        self._memory: Memory | None = None
        self._open: dict[str, Decision] = {}

    @property
    def memory(self) -> Memory:
        """As it is now; empty before the beginning."""
        return self._memory or Memory()

    def take(self, event: Event) -> Step | None:
        if isinstance(event, Began):
            self._begin(event)
            return None
        if self._memory is None:
            raise RecordingError("an event before the beginning")
        if isinstance(event, Restored):
            detector = self._memory.detector if event.watched else None
            self._memory = Memory.restore(event.incidents, event.ledger, detector)
            return None
        if isinstance(event, EvidenceSaved):
            self._keep(self._memory, event)
            return None
        if isinstance(event, Settled):
            return self._apply_outcome(self._memory, event)
        return self._ask(self._memory, event)

    def unanswered(self, event: Event) -> Iterator[Step]:
        """Before the next tick every act has an answer: those of the what-if that nobody carried out get theirs."""
        if self._what_if is None or isinstance(event, Began | Restored | EvidenceSaved):
            return
        recorded = {d.action.id for d in getattr(event, "decisions", ()) if d.action is not None}
        for key in [key for key in self._open if key not in recorded]:
            decision = self._open.pop(key)
            answer = Outcome(key, Result.DEFERRED, "not_carried_out", "this act is of the what-if only", 60.0)
            rules, memory = self._rules(event.rules), self._memory or Memory()
            self._memory, more = apply_outcome(memory, decision, answer, decision.at, rules.settings, rules.policies)
            if more:
                yield Step(decision.at, (), more)

    def _begin(self, event: Began) -> None:
        if self._what_if is None or self._memory is None:
            self._memory = event.memory

    def _rules(self, recorded: RulesInForce, cluster: ClusterView | None = None) -> RulesInForce:
        return recorded if self._what_if is None else self._what_if(recorded, cluster)

    def _ask(self, memory: Memory, event: Ticked | FloorChecked | Recovered) -> Step:
        if isinstance(event, Ticked):
            at, retained, rules = event.snapshot.at, event.retained, self._rules(event.rules, event.snapshot.cluster)
            after, decisions = decide(event.snapshot, memory, rules.settings, rules.policies)
        elif isinstance(event, FloorChecked):
            at, retained, rules = event.at, True, self._rules(event.rules, event.cluster)
            after, decisions = floor_check(event.cluster, memory, rules.settings, event.at, rules.policies)
        else:
            at, retained, rules = event.at, True, self._rules(event.rules, event.cluster)
            after, decisions = recover(memory, event.cluster, event.at, rules.settings, rules.policies)
        if retained:
            self._memory = after
            acts = (d for d in decisions if d.verdict is Verdict.ACT and d.action is not None)
            self._open |= {d.action.id: d for d in acts if d.action is not None}
        else:
            decisions = tuple(d for d in decisions if d.verdict is not Verdict.ACT)
        return Step(at, event.decisions, decisions)

    def _apply_outcome(self, memory: Memory, event: Settled) -> Step | None:
        rules = self._rules(event.rules)
        acted = self._open.pop(event.outcome.action_id, None)
        if self._what_if is not None and acted is None:
            return None  # the what-if did not do it, so there is nothing to answer
        decision = acted or event.decision
        self._memory, more = apply_outcome(memory, decision, event.outcome, event.at, rules.settings, rules.policies)
        return Step(event.at, event.decisions, more)

    def _keep(self, memory: Memory, event: EvidenceSaved) -> None:
        incident = memory.incidents.get(event.incident)
        if incident is not None:
            retained = replace(incident, evidence_at=event.folder)
            self._memory = replace(memory, incidents={**memory.incidents, event.incident: retained})
