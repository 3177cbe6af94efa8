"""What the outside may read of the last tick: references to values that nobody changes any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from observer.config.reload import Rules
from observer.domain.circuit import Circuit
from observer.domain.decision import Decision
from observer.domain.policy import EffectivePolicies
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.engine.memory import Memory
from observer.runtime.reload import ReloadState


@dataclass(frozen=True, slots=True, eq=False)
class TickResult:
    """
    One tick after its end.

    Attributes:
        number: ticks that have ended; complete: those that saw enough to act on.
        took: seconds from the first question to the last record.
        recent: the newest decisions of this process, oldest first.
        rules: settings, policies and objectives in force; None where nobody told them.
        circuits: of the sources that have one.
        halted: the broken invariant, empty when none.
    """

    number: int
    complete: int
    took: float
    memory: Memory
    snapshot: Snapshot
    settings: EngineSettings
    policies: EffectivePolicies
    recent: tuple[Decision, ...] = ()
    rules: Rules | None = None
    reload: ReloadState = field(default_factory=ReloadState)
    circuits: Mapping[str, Circuit] = field(default_factory=dict)
    halted: str = ""

    @property
    def at(self) -> float:
        """The instant of the tick, Unix seconds."""
        return self.snapshot.at
