"""What a loop would have recorded, as events and as files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

from observer.domain.action import Mode
from observer.domain.counts import ServiceBaseline
from observer.domain.decision import Verdict
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import ServiceRef
from observer.domain.outcome import Outcome, Result
from observer.domain.settings import EngineSettings
from observer.engine.decide import apply_outcome, decide
from observer.engine.memory import Memory
from observer.recording.events import Began, Event, RulesInForce, Settled, Ticked
from observer.recording.files import RecordingWriter
from tests.support.recordings import Replay, load

ENFORCE = EngineSettings(mode=Mode.ENFORCE, tick=1.0, identity="as-recorded")


@cache
def story(name: str = "gray-pod", settings: EngineSettings = ENFORCE) -> tuple[Event, ...]:
    """What a loop would have recorded on a real mesh; every act is refused, as nothing happened in the recording."""
    return tuple(_events(name, settings))


def _events(name: str, settings: EngineSettings) -> Iterator[Event]:
    memory, recording = Memory(), load(name)
    asked: list[frozenset[ServiceRef]] = [frozenset(), frozenset()]
    yield Began(0.0, memory)
    for seen in Replay(recording).snapshots(asked):
        if not -70 <= seen.at - recording.fault_from <= 45 or seen.cluster is None:
            continue
        fresh = replace(seen.cluster, at=seen.at, fresh=dict.fromkeys(seen.cluster.fresh, seen.at))
        usual = {
            service: ServiceBaseline(service, 1e4, 1.0, 0.001, 100.0, 0.0, seen.at)
            for service in seen.cluster.by_service
        }
        snapshot = replace(
            seen, cluster=fresh, baselines=usual, edges=_calls(seen.at), usual_edges=_calls(seen.at - 180)
        )
        memory, decisions = decide(snapshot, memory, settings)
        yield Ticked(RulesInForce(settings), snapshot, decisions)
        for decision in decisions:
            if decision.verdict is Verdict.ACT and decision.action is not None:
                answer = Outcome(decision.action.id, Result.DEFERRED, "budget", "nothing may go now", 5.0)
                memory, more = apply_outcome(memory, decision, answer, snapshot.at, settings)
                yield Settled(RulesInForce(settings), snapshot.at, decision, answer, more)
        asked[0], asked[1] = memory.watch, memory.recheck


def _calls(at: float) -> CallGraph:
    """What callers might have counted: the engine's blame is part of what is recorded."""
    lost = {"": 20.0, "UF": 1.0}
    metrics = frozenset({EdgeSource.METRICS})
    shop = [ServiceRef("shop", name) for name in ("front", "catalog", "store")]
    return CallGraph(at, 60.0, tuple(Edge(a, b, 700.0, 21.0, lost, sources=metrics) for a, b in pairwise(shop)))


def written(path: Path, events: tuple[Event, ...]) -> Path:
    with RecordingWriter(path, version="0.0", at=1.0) as writer:
        for event in events:
            writer.write(event)
    return path
