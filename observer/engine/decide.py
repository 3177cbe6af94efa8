"""The only entry of a tick: judge the snapshot, then conclude. Pure; the same input gives the same decisions."""

from __future__ import annotations

from dataclasses import replace

from observer.domain.decision import Decision
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.engine.conclude import conclude
from observer.engine.detect import judge
from observer.engine.memory import Memory
from observer.engine.settle import settle

__all__ = ["decide", "settle"]


def decide(snapshot: Snapshot, memory: Memory, settings: EngineSettings) -> tuple[Memory, tuple[Decision, ...]]:
    """
    Judge one snapshot and decide.

    Returns the next memory and the decisions of this tick, each with its evidence; those with verdict ACT carry an
    ``Action``. Whoever carries them out answers each with ``settle`` before the next call.
    """
    detector, judgement = judge(memory.detector, snapshot, settings, held(memory))
    return conclude(snapshot, judgement, replace(memory, detector=detector), settings)
