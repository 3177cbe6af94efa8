"""The scenes: each plays a story through the engine from nothing but its name, and gives the rows of its stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from observer.cli.test import run_tests
from observer.config.documents.marks import yaml_files
from observer.domain.action import Mode
from tests.bench.attribution.episodes import draw
from tests.bench.attribution.lab import NAMES
from tests.bench.crashes import measure
from tests.streams import plays
from tests.streams.tap import Row, listening

ROOT: Final = Path(__file__).parents[2]
COMPAT: Final = ROOT / "tests" / "data" / "compat" / "0.1.0"
EPISODES: Final = 60
MORE_EPISODES: Final = 100
CRASHES: Final = 50
"""Scenes of ten crash points each."""
MORE_CRASHES: Final = 200
POINTS: Final = 10
SEED: Final = 11
_CHEAP_EPISODES: Final = 8
_CHEAP_CRASHES: Final = 10


@dataclass(frozen=True)
class Scene:
    """``cheap``: played by ``make test`` too; ``more``: only when everything is asked for."""

    name: str
    play: Callable[[], object]
    cheap: bool = False
    more: bool = False

    def rows(self) -> list[Row]:
        """Play it and listen."""
        with listening() as stream:
            self.play()
        return stream.end()


def scenes(*, more: bool = False) -> Iterator[Scene]:
    """All scenes in the order in which they are stored."""
    yield from (one for one in _scenes() if more or not one.more)


def _scenes() -> Iterator[Scene]:
    for name in NAMES:
        for mode, thin in ((Mode.ENFORCE, 1.0), (Mode.DRY_RUN, 0.5)):
            play = partial(plays.recording, name, mode=mode, thin=thin)
            yield Scene(f"lab {name} {'whole' if thin == 1.0 else 'halved'}", play, cheap=thin == 1.0)
    yield Scene("demo", plays.demo, cheap=True)
    yield Scene("demo recorded", partial(plays.recorded, COMPAT / "demo.rec.xz"), cheap=True)
    for path in yaml_files([ROOT / "rules" / "tests"]):
        cheap = path.stem in ("gray-pod", "harmless", "windows")
        yield Scene(f"rules {path.stem}", partial(_policy_tests, path), cheap=cheap)
    for number in range(CRASHES + MORE_CRASHES):
        crash = partial(measure, POINTS, 0, seed=SEED + number)
        yield Scene(f"crash {number}", crash, cheap=number < _CHEAP_CRASHES, more=number >= CRASHES)
    for number, (family, seed, services) in enumerate(draw(EPISODES + MORE_EPISODES, SEED)):
        episode = partial(plays.episode, family, seed, services)
        cheap = number < _CHEAP_EPISODES
        yield Scene(f"episode {number} {services} {seed}", episode, cheap=cheap, more=number >= EPISODES)


def _policy_tests(path: Path) -> None:
    results = run_tests([path])
    assert results.code == 0, results.faults
