"""Doubles of the ports for tests of the runtime: each records what it was asked and answers what it was told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from observer.domain.action import Action
from observer.domain.cluster import ClusterView, MeshControl
from observer.domain.counts import CallerFrame, CounterFrame, SeriesHistory
from observer.domain.decision import Decision, LedgerEntry
from observer.domain.errors import DuplicateIntent, JournalUnavailable, SourceUnavailable, SwitchChanged
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.incident import Incident
from observer.domain.outcome import Outcome, Result
from observer.domain.snapshot import UNREADABLE
from observer.ports.actuators import SwitchReading


@dataclass
class FakeClock:
    """Time that moves only when told to, or by what is slept."""

    at: float = 1_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += max(seconds, 0.0)


@dataclass
class FakeLease:
    """Leadership as told."""

    leads: bool = True
    term: int = 3

    def held(self) -> bool:
        return self.leads

    async def run(self) -> None:
        return None


@dataclass
class FakeSwitch:
    """The kill switch; ``answers`` are given in turn, the last one for ever."""

    answers: list[tuple[bool, str]] = field(default_factory=lambda: [(False, "")])
    reads: int = 0

    async def read(self) -> tuple[bool, str]:
        self.reads += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def look(self) -> SwitchReading:
        paused, why = await self.read()
        return SwitchReading(paused, why, None if why.startswith(UNREADABLE) else f"{paused}|{why}")

    async def write(self, *, paused: bool, who: str, reason: str, over: str | None = None) -> None:
        if over is not None and over != "{}|{}".format(*self.answers[0]):
            now, why = self.answers[0]
            word = now and not why.startswith(UNREADABLE)
            raise SwitchChanged(f"somebody else changed it meanwhile; now {why or 'not paused'}", paused=word)
        self.answers = [(paused, f"{who}: {reason}")]


@dataclass
class FakeActuator:
    """Applies by noting; ``answer`` is an outcome or an exception."""

    answer: Outcome | Exception | None = None
    found: Outcome | Exception | None = None
    applied: list[Action] = field(default_factory=list)
    looked_up: list[Action] = field(default_factory=list)
    before: Callable[[Action], None] | None = None

    async def apply(self, action: Action) -> Outcome:
        if self.before is not None:
            self.before(action)
        self.applied.append(action)
        return _told(self.answer, action)

    async def look_up(self, action: Action) -> Outcome:
        self.looked_up.append(action)
        return _told(self.found, action)


def _told(answer: Outcome | Exception | None, action: Action) -> Outcome:
    if isinstance(answer, Exception):
        raise answer
    return answer or Outcome(action.id, Result.APPLIED, "applied")


@dataclass
class FakeCluster:
    """A cluster view and the raw pod that a last look finds."""

    shown: ClusterView | None = None
    raw: dict[str, object] | Exception | None = field(default_factory=lambda: dict[str, object](metadata={}, spec={}))
    logs: str = "one line\n"
    log_error: Exception | None = None
    callbacks: list[Callable[[], None]] = field(default_factory=list)

    def view(self, at: float) -> ClusterView:
        if self.shown is not None:
            return replace(self.shown, at=at)
        return ClusterView(at, {}, {}, {}, (), (), {}, {}, MeshControl(None, ""))

    def subscribe(self, changed: Callable[[], None]) -> None:
        self.callbacks.append(changed)

    async def pod_now(self, pod: PodRef) -> dict[str, object] | None:
        """As ``raw``; nothing where that has another uid."""
        if isinstance(self.raw, Exception):
            raise self.raw
        meta = (self.raw or {}).get("metadata")
        return self.raw if not isinstance(meta, dict) or meta.get("uid", pod.uid) == pod.uid else None

    async def pod_events(self, pod: PodRef) -> list[dict[str, object]]:
        return [{"reason": "Started"}]

    async def pod_logs(self, pod: PodRef, container: str, lines: int, max_bytes: int) -> str:
        if self.log_error is not None:
            raise self.log_error
        return "".join(self.logs.splitlines(keepends=True)[-lines:])[-max_bytes:]


@dataclass
class FakeMetrics:
    """A metric source with canned frames; an exception is raised instead of answered."""

    frame: CounterFrame | Exception
    caller_frame: CallerFrame | Exception | None = None
    series: tuple[SeriesHistory, ...] = ()
    asked: list[tuple[str, float]] = field(default_factory=list)

    async def counters(self, at: float) -> CounterFrame:
        self.asked.append(("counters", at))
        if isinstance(self.frame, Exception):
            raise self.frame
        return replace(self.frame, at=at)

    async def callers(self, at: float, services: frozenset[ServiceRef]) -> CallerFrame:
        self.asked.append(("callers", at))
        if isinstance(self.caller_frame, Exception):
            raise self.caller_frame
        if self.caller_frame is None:
            raise SourceUnavailable("no callers were prepared")
        return self.caller_frame

    async def recheck(
        self, at: float, seconds: float, step: float, pods: frozenset[tuple[str, str]]
    ) -> tuple[SeriesHistory, ...]:
        self.asked.append(("recheck", at))
        return self.series

    async def close(self) -> None:
        return None


class MemoryJournal:
    """Implements ``ports.stores.Journal`` in memory; keeps the order of writes; ``broken`` makes every write fail."""

    def __init__(self) -> None:
        self.broken = False
        self.order: list[str] = []
        self.saved: dict[str, Incident] = {}
        self.intents: dict[str, Action] = {}
        self.settled: dict[str, Outcome] = {}
        self.entries: list[LedgerEntry] = []
        self.recorded: dict[str, Decision] = {}

    def _write(self, what: str) -> None:
        if self.broken:
            raise JournalUnavailable("disk is full")
        self.order.append(what)

    async def save(self, incident: Incident) -> None:
        self._write(f"save {incident.id}")
        self.saved[incident.id] = incident

    async def incidents(self, *, open_only: bool = False, since: float = 0.0) -> Sequence[Incident]:
        retained = [each for each in self.saved.values() if not each.closed or (not open_only and each.closed >= since)]
        return sorted(retained, key=lambda each: (each.opened, each.id))

    async def intend(self, action: Action, entry: LedgerEntry) -> None:
        if action.id in self.intents:
            raise DuplicateIntent(action.id)
        if any(each.action_id == entry.action_id for each in self.entries):
            raise JournalUnavailable(f"ledger entry {entry.action_id} cannot be written: it is there already")
        self._write(f"intend {action.action_kind.value}")
        self.intents[action.id] = action
        self.entries.append(entry)

    async def record_outcome(self, action_id: str, outcome: Outcome, at: float) -> None:
        self._write(f"settle {outcome.result.value}")
        self.settled[action_id] = outcome
        if outcome.result is not Result.UNKNOWN:
            applied = outcome.result is Result.APPLIED
            self._change(lambda entry: entry.action_id == action_id, settled=True, applied=applied)

    async def open_intents(self) -> Sequence[Action]:
        return [self.intents[entry.action_id] for entry in await self.ledger(0.0) if not entry.settled]

    async def grade(self, incident_id: str, *, useful: bool, verdict: str) -> None:
        self._write(f"grade {incident_id}")
        self._change(lambda entry: entry.incident == incident_id, useful=useful, verdict=verdict)

    async def ledger(self, since: float) -> Sequence[LedgerEntry]:
        return sorted((entry for entry in self.entries if entry.at >= since), key=lambda entry: entry.at)

    async def record(self, decision: Decision) -> None:
        self._write(f"record {decision.kind}")
        self.recorded[decision.id] = decision

    async def decisions(
        self, *, subject: str = "", incident: str = "", since: float = 0.0, limit: int = 200
    ) -> Sequence[Decision]:
        matching = [
            each
            for each in self.recorded.values()
            if subject in ("", each.subject) and incident in ("", each.incident) and each.at >= since
        ]
        return sorted(matching, key=lambda each: each.at)[-limit:]

    async def prune(self, before: float, *, most: int = 1000) -> int:
        """At most so many rows of each kind."""
        self._write("prune")
        decisions = sorted((each for each in self.recorded.values() if each.at < before), key=lambda each: each.at)
        incidents = [each for each in self.saved.values() if 0.0 < each.closed < before]
        entries = [entry for entry in self.entries if entry.settled and entry.at < before]
        for decision in decisions[:most]:
            del self.recorded[decision.id]
        for incident in incidents[:most]:
            del self.saved[incident.id]
        for entry in entries[:most]:
            self.entries.remove(entry)
            del self.intents[entry.action_id]
        return len(decisions[:most]) + len(incidents[:most]) + 2 * len(entries[:most])

    async def close(self) -> None:
        return None

    def _change(self, concerned: Callable[[LedgerEntry], bool], **changes: Any) -> None:
        self.entries = [replace(entry, **changes) if concerned(entry) else entry for entry in self.entries]
