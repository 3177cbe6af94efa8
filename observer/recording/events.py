"""What changes the engine's memory, in order: with it and nothing else the same decisions come out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from observer.domain.cluster import ClusterView
from observer.domain.decision import Decision, LedgerEntry
from observer.domain.incident import Incident
from observer.domain.outcome import Outcome
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.engine.memory import Memory


@dataclass(frozen=True, slots=True, eq=False)
class RulesInForce:
    """What was in force: settings, and the policy of each workload."""

    settings: EngineSettings
    policies: EffectivePolicies = NO_POLICIES


@dataclass(frozen=True, slots=True, eq=False)
class Began:
    """The recording begins here, or begins anew: from here on it can be replayed without what came before."""

    at: float
    memory: Memory


@dataclass(frozen=True, slots=True, eq=False)
class Ticked:
    """``decide`` was asked. ``retained`` is false when its answer was thrown away (a broken invariant)."""

    rules: RulesInForce
    snapshot: Snapshot
    decisions: tuple[Decision, ...]
    retained: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class FloorChecked:
    """``floor_check`` was asked."""

    rules: RulesInForce
    at: float
    cluster: ClusterView
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """``recover`` was asked, after a restart or a change of leader."""

    rules: RulesInForce
    at: float
    cluster: ClusterView
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """An act was answered: ``settle``."""

    rules: RulesInForce
    at: float
    decision: Decision
    outcome: Outcome
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """Memory was loaded from the journal. ``watched``: the detectors went on, since they had followed the ticks."""

    at: float
    incidents: tuple[Incident, ...]
    ledger: tuple[LedgerEntry, ...]
    watched: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceSaved:
    """The evidence of an incident was put into this folder."""

    at: float
    incident: str
    folder: str


Event = Began | Ticked | FloorChecked | Recovered | Settled | Restored | EvidenceSaved

KINDS: Final[tuple[type, ...]] = (Began, Ticked, FloorChecked, Recovered, Settled, Restored, EvidenceSaved)
"""In the order of their numbers in the file: add at the end only."""
