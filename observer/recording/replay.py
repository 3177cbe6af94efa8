"""The engine again, on what was recorded: the same decisions, or what other settings would have decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from observer.domain.decision import Decision, Verdict
from observer.domain.errors import RecordingError
from observer.domain.outcome import Outcome, Result
from observer.domain.settings import EngineSettings
from observer.engine.decide import decide, settle
from observer.engine.ladder import floor_check, recover
from observer.engine.memory import Memory
from observer.recording.codec import Codec
from observer.recording.events import (
    Began,
    Event,
    EvidenceKept,
    FloorChecked,
    Recovered,
    Restored,
    Settled,
    Ticked,
)

Decisions = tuple[Decision, ...]


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


def replay(events: Iterable[Event], settings: EngineSettings | None = None) -> Iterator[Step]:
    """
    Ask the engine everything again.

    With ``settings`` other than those recorded it is a what-if. Acts that were carried out then get the answer they got
    then; an act that nobody carried out is answered as deferred: what it would have changed in the cluster is unknown.

    Raises: RecordingError for events that no loop makes.
    """
    again = _Again(settings)
    for event in events:
        if (step := again.take(event)) is not None:
            yield step
        yield from again.unanswered(event)


class _Again:
    """Memory, moved on event by event."""

    def __init__(self, settings: EngineSettings | None) -> None:
        self._what_if = settings
        self._settings: EngineSettings | None = settings
        self._memory: Memory | None = None
        self._open: dict[str, Decision] = {}

    def take(self, event: Event) -> Step | None:
        if isinstance(event, Began):
            self._begin(event)
            return None
        if self._memory is None or self._settings is None:
            raise RecordingError("an event before the beginning")
        if isinstance(event, Restored):
            self._memory = Memory.restore(event.incidents, event.ledger)
            return None
        if isinstance(event, EvidenceKept):
            self._keep(self._memory, event)
            return None
        if isinstance(event, Settled):
            return self._settle(self._memory, self._settings, event)
        return self._ask(self._memory, self._settings, event)

    def unanswered(self, event: Event) -> Iterator[Step]:
        """Before the next tick every act has an answer: those of the what-if that nobody carried out get theirs."""
        if self._what_if is None or isinstance(event, Began) or self._memory is None or self._settings is None:
            return
        recorded = {d.action.id for d in getattr(event, "decisions", ()) if d.action is not None}
        for key in [key for key in self._open if key not in recorded]:
            decision = self._open.pop(key)
            answer = Outcome(key, Result.DEFERRED, "not_carried_out", "this act is of the what-if only", 60.0)
            self._memory, more = settle(self._memory, decision, answer, decision.at, self._settings)
            if more:
                yield Step(decision.at, (), more)

    def _begin(self, event: Began) -> None:
        if self._what_if is None:
            self._settings = event.settings
        if self._what_if is None or self._memory is None:
            self._memory = event.memory

    def _ask(self, memory: Memory, settings: EngineSettings, event: Ticked | FloorChecked | Recovered) -> Step:
        if isinstance(event, Ticked):
            at, kept = event.snapshot.at, event.kept
            after, decisions = decide(event.snapshot, memory, settings)
        elif isinstance(event, FloorChecked):
            at, kept = event.at, True
            after, decisions = floor_check(event.cluster, memory, settings, event.at)
        else:
            at, kept = event.at, True
            after, decisions = recover(memory, event.cluster, event.at, settings)
        if kept:
            self._memory = after
            acts = (d for d in decisions if d.verdict is Verdict.ACT and d.action is not None)
            self._open |= {d.action.id: d for d in acts if d.action is not None}
        else:
            decisions = tuple(d for d in decisions if d.verdict is not Verdict.ACT)
        return Step(at, event.decisions, decisions)

    def _settle(self, memory: Memory, settings: EngineSettings, event: Settled) -> Step | None:
        known = self._open.pop(event.outcome.action_id, None)
        if self._what_if is not None and known is None:
            return None  # the what-if did not do it, so there is nothing to answer
        self._memory, more = settle(memory, known or event.decision, event.outcome, event.at, settings)
        return Step(event.at, event.decisions, more)

    def _keep(self, memory: Memory, event: EvidenceKept) -> None:
        incident = memory.incidents.get(event.incident)
        if incident is not None:
            kept = replace(incident, evidence_at=event.folder)
            self._memory = replace(memory, incidents={**memory.incidents, event.incident: kept})
