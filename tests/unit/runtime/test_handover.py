"""A change of leader: a standby that followed the ticks goes on with what it has seen, and a recording tells so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from observer.config.reload import Rules, rules_of
from observer.config.settings.read import default
from observer.domain.action import ActionKind, Mode
from observer.domain.counts import ServiceBaseline
from observer.domain.decision import LedgerEntry
from observer.domain.ids import PodRef, ServiceRef, Target
from observer.domain.snapshot import Control, Snapshot
from observer.engine.memory import LABEL_LAG, undisturbed
from observer.recording.events import Event, Restored
from observer.recording.files import Recording
from observer.recording.replay import replay
from observer.runtime.collect import Collector, SnapshotRequest
from observer.runtime.dispatcher import Dispatcher
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor
from observer.runtime.flight_recorder import FlightRecorder
from observer.runtime.status import LoopStatus
from observer.runtime.tick import Loop
from observer.telemetry.metrics import SelfMetrics
from tests.support.fakes import FakeActuator, FakeClock, FakeCluster, FakeLease, FakeSwitch, MemoryJournal
from tests.support.recordings import Replay, load

LAB = load("gray-pod")
NOTICED = 25.0
"""Seconds after the fault began: there is evidence by then."""


@dataclass
class Film:
    """A recorded mesh in place of the sources; ``leads`` is what the Lease says."""

    clock: FakeClock
    cluster: FakeCluster
    leads: bool = False
    asked: list[frozenset[ServiceRef]] = field(default_factory=lambda: [frozenset(), frozenset()])

    def __post_init__(self) -> None:
        self.feed = (
            one
            for one in Replay(LAB).snapshots(self.asked)
            if one.cluster is not None and one.at >= LAB.fault_from - 70
        )

    async def snapshot(self, at: float, question: SnapshotRequest) -> Snapshot:
        self.asked[:] = [question.watch, question.recheck]
        seen = next(self.feed)
        assert seen.cluster is not None
        view = replace(seen.cluster, at=seen.at, fresh=dict.fromkeys(seen.cluster.fresh, seen.at))
        self.cluster.shown, self.clock.at = view, seen.at
        usual: Mapping[ServiceRef, ServiceBaseline] = {
            service: ServiceBaseline(service, 1e4, 1.0, 0.001, 100.0, 0.0, seen.at) for service in view.by_service
        }
        control = Control(paused=False, reason="", leader=self.leads, term=1)
        return replace(seen, cluster=view, baselines=usual, control=control)


class Standby:
    """A whole loop with doubles around it, in shadow."""

    def __init__(self, folder: Path) -> None:
        self.clock, cluster, lease, switch = FakeClock(LAB.fault_from), FakeCluster(), FakeLease(), FakeSwitch()
        self.film, self.journal = Film(self.clock, cluster), MemoryJournal()
        self.metrics, self.recorder = SelfMetrics(), FlightRecorder(folder, max_bytes=1 << 28, keep=3)
        keeper = EvidenceStore(cluster, folder, logs=False, lines=1, max_bytes=1000, redact=[])
        executor = Executor(
            actuators=dict.fromkeys(ActionKind, FakeActuator()), cluster=cluster, journal=self.journal, lease=lease,
            switch=switch, evidence=keeper, clock=self.clock, fresh_for=5.0,
        )  # fmt: skip
        settings = default()
        engine = replace(settings.engine, mode=Mode.SHADOW, tick=1.0)
        rules: Rules = rules_of(replace(settings, engine=engine, policies=()), LAB.fault_from)
        self.loop = Loop(
            collector=cast("Collector", self.film), executor=executor, cluster=cluster, journal=self.journal,
            dispatcher=Dispatcher([], dropped=lambda _: None), clock=self.clock, rules=rules,
            state=LoopStatus(engine, self.clock, self.metrics), recorder=self.recorder,
        )  # fmt: skip

    async def watch(self, until: float) -> None:
        """Tick as a standby until an instant of the recording."""
        self.clock.at = LAB.fault_from - 71
        await self.loop.restore()
        while self.clock.at < until:
            await self.loop._tick_once(False)

    async def lead(self, ticks: int = 1) -> None:
        self.film.leads = True
        for place in range(ticks):
            await self.loop._tick_once(place > 0)

    def evidence_score(self) -> float:
        """Of the strongest open suspicion."""
        return max((one.evidence_score for one in self.loop.memory.open_incidents()), default=0.0)

    def events(self) -> Sequence[Event]:
        self.recorder.close()
        found: list[Event] = []
        for file in self.recorder.files:
            with Recording(file) as recording:
                found += list(recording.events())
        return found

    def close(self) -> None:
        self.recorder.close()
        self.metrics.close()


def drained(at: float, action_kind: ActionKind = ActionKind.DRAIN) -> LedgerEntry:
    pod = PodRef("shop", "other-1", "u1")
    return LedgerEntry(
        f"a{at}", at, action_kind, "i", Target.of(pod), None, None, "pod", "errors", "", "", settled=True, applied=True
    )


@pytest.fixture
def standby(tmp_path: Path) -> Standby:
    return Standby(tmp_path / "flight")


async def test_who_followed_the_ticks_goes_on_with_the_evidence(standby: Standby) -> None:
    await standby.watch(LAB.fault_from + NOTICED)
    before, comparison = standby.evidence_score(), standby.loop.memory.detector.comparison
    assert before > 9.0, "the recording holds a gray pod"

    await standby.lead()

    assert standby.evidence_score() >= 0.9 * before
    assert standby.loop.memory.detector.comparison.refs == comparison.refs
    assert any(isinstance(one, Restored) and one.watched for one in standby.events())
    standby.close()


@pytest.mark.parametrize("action_kind", [ActionKind.DRAIN, ActionKind.RESTORE])
async def test_where_another_wrote_labels_the_detectors_begin_anew(standby: Standby, action_kind: ActionKind) -> None:
    await standby.watch(LAB.fault_from + NOTICED)
    standby.journal.entries.append(drained(LAB.fault_from, action_kind))

    await standby.lead()

    assert standby.evidence_score() == 0.0
    assert not any(isinstance(one, Restored) and one.watched for one in standby.events())
    standby.close()


async def test_a_first_start_has_nothing_to_go_on_with(standby: Standby) -> None:
    await standby.loop.restore()
    await standby.lead(2)
    assert not any(isinstance(one, Restored) and one.watched for one in standby.events())
    standby.close()


@pytest.mark.parametrize("disturbed", [False, True])
async def test_the_recording_of_a_handover_replays_byte_for_byte(standby: Standby, disturbed: bool) -> None:
    await standby.watch(LAB.fault_from + NOTICED)
    if disturbed:
        standby.journal.entries.append(drained(LAB.fault_from))
    await standby.lead(15)

    steps = list(replay(standby.events()))
    after = [one for one in steps if one.at > LAB.fault_from + NOTICED and one.recorded]
    assert after, "nothing was decided after the change of leader"
    assert all(one.same for one in steps)
    standby.close()


@pytest.mark.parametrize(
    ("entries", "calm"),
    [
        ([], True),
        ([drained(1000.0)], False),
        ([drained(1000.0 - LABEL_LAG)], False),
        ([drained(999.0 - LABEL_LAG)], True),
        ([drained(2000.0, ActionKind.EVICT)], True),
    ],
)
def test_which_acts_disturb(entries: list[LedgerEntry], calm: bool) -> None:
    assert undisturbed(entries, 1000.0) is calm
