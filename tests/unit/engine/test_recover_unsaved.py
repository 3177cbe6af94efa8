"""What the ledger knows and the incident was not saved with is taken up after a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import ActionKind
from observer.domain.incident import Phase
from observer.engine.memory import Memory
from observer.engine.remediation.restore import recover
from tests.support.stage import Stage


def evicting() -> Stage:
    stage = Stage(faults={"catalog-1": 0.5})
    return stage.until(Phase.EVICTING)


@pytest.mark.parametrize("phase", [Phase.SUSPECTED, Phase.DRAINED])
def test_an_eviction_that_only_the_ledger_knows_is_verified(phase: Phase) -> None:
    """Killed between the answer and the save: the incident is as before the act, the ledger says it was applied."""
    stage = evicting()
    before = replace(stage.only(), phase=phase, check=None)
    memory = Memory.restore([before], stage.memory.ledger)

    found, decisions = recover(memory, stage.now(), stage.at, stage.settings)

    known = found.incidents[before.id]
    assert (known.phase, decisions) == (Phase.EVICTING, ())
    assert known.check is not None
    assert known.check.evicted == next(e.at for e in stage.memory.ledger if e.action_kind is ActionKind.EVICT)


def test_a_refused_eviction_is_no_eviction() -> None:
    stage = evicting()
    before = replace(stage.only(), phase=Phase.SUSPECTED, check=None)
    refused = [replace(entry, applied=entry.action_kind is not ActionKind.EVICT) for entry in stage.memory.ledger]

    found, _ = recover(Memory.restore([before], refused), stage.now(), stage.at, stage.settings)

    assert found.incidents[before.id].phase is Phase.SUSPECTED
