"""Episodes counted up: what was acted on, who was named, and how long it took, each with its interval."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from observer.domain.action import ActionKind
from tests.bench.attribution.episodes import Episode, draw, play
from tests.bench.attribution.scores import Score, score
from tests.support.scenarios import FAMILIES, OF_MANY, OF_ONE_POD

SHORT: Final = 60.0
"""Seconds of traffic: where the bound is longer, nobody has to have found the culprit."""
EVERY: Final = len(FAMILIES)
"""Episodes between two lines of progress: each family once."""
PEERS: Final = "PetShop's traversal 0.654/0.827 of 52, Nezha without logs 0.643/0.643 of 56"
"""Published top-1 and top-3, on others' data: no method is known to have been run on these episodes."""


@dataclass(frozen=True)
class Delay:
    """Seconds until the first right drain and eviction (median, 95th percentile), and the former over the bound."""

    drained: tuple[float, float]
    evicted: tuple[float, float]
    over_bound: tuple[float, float]


def measure(
    episodes: int, seed: int, *, only: Sequence[str] = (), jobs: int = 0, say: Callable[[str], None] = print
) -> list[Episode]:
    """Play them on ``jobs`` processes (one a core unless told), telling each that was not answered rightly."""
    chosen = draw(episodes, seed, only)
    found: list[Episode] = []
    with ProcessPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for one in pool.map(play, *zip(*chosen, strict=True)):
            found.append(one)
            if not one.within(1) or any(not act.right for act in one.acts):
                say(f"  {told(one)}")
            if len(found) % EVERY == 0:
                say(f"  {so_far(found, len(chosen))}")
    return found


def so_far(found: Sequence[Episode], of: int) -> str:
    """One line while they are being played."""
    acts = [act for one in found for act in one.acts]
    wrong = sum(not act.right for act in acts)
    kills = sum(_any(one, ActionKind.EVICT) for one in found if one.family in OF_MANY)
    first, third = (sum(one.within(k) for one in found) for k in (1, 3))
    return (
        f"{len(found)} of {of} episodes: top-1 {first}, top-3 {third}, acts {len(acts)} ({wrong} wrong), "
        f"evictions under shared or no fault {kills}"
    )


def told(one: Episode) -> str:
    """One line about an episode that went wrong."""
    acts = ", ".join(
        f"{act.action_kind} {'right' if act.right else 'WRONG ' + act.pod} {act.after:.0f} s" for act in one.acts
    )
    named = ", ".join(f"{name} {sure:.2f}" for name, sure in one.named)
    right = " or ".join(one.culprits[:2])
    return f"{one.family} {one.seed}/{one.services}: right {right}; named {named}; acts: {acts or 'none'}"


def scores(episodes: Sequence[Episode]) -> list[Score]:
    """Every claim with its interval; bars and what was published beside it."""
    acts = [act for one in episodes for act in one.acts]
    kills = [act for act in acts if act.action_kind == ActionKind.EVICT.value]
    due = [one for one in episodes if one.family in OF_ONE_POD and (one.bound is None or one.bound <= SHORT)]
    shared = [one for one in episodes if one.family in OF_MANY]
    found = [
        score("episodes top-1 of kind and name", [one.within(1) for one in episodes], f"bar 0.950; {PEERS}"),
        score("episodes top-3", [one.within(3) for one in episodes], "bar 0.990"),
        score("precision of drains and evictions", [act.right for act in acts], "bar 0.990"),
        score("precision of evictions", [act.right for act in kills], "bar 0.990"),
        score("recall: culprit drained, bound <= 60 s", [_done(one, ActionKind.DRAIN) for one in due], "bar 0.950"),
        score("recall: culprit evicted within the episode", [_done(one, ActionKind.EVICT) for one in due]),
        score("episodes with an act on a wrong pod", [any(not act.right for act in one.acts) for one in episodes]),
        score("evictions under shared or no fault", [_any(one, ActionKind.EVICT) for one in shared], "bar 0"),
        score("drains under shared or no fault", [_any(one, ActionKind.DRAIN) for one in shared]),
    ]
    for size in sorted({one.services for one in episodes}):
        mine = [one for one in episodes if one.services == size]
        found.append(score(f"graphs of {size} services, top-1", [one.within(1) for one in mine]))
    for family in FAMILIES:
        mine = [one for one in episodes if one.family == family]
        if mine:
            found.append(score(f"{family} top-1", [one.within(1) for one in mine]))
            found.append(score(f"{family} top-3", [one.within(3) for one in mine]))
    return [one for one in found if one.cases]


def delay(episodes: Sequence[Episode]) -> Delay:
    """Of the families in which one pod should go."""
    mine = [one for one in episodes if one.family in OF_ONE_POD]
    first = [after for one in mine if (after := one.first(ActionKind.DRAIN)) is not None]
    over = [after / one.bound for one in mine if one.bound and (after := one.first(ActionKind.DRAIN)) is not None]
    gone = [after for one in mine if (after := one.first(ActionKind.EVICT)) is not None]
    return Delay(_spread(first), _spread(gone), _spread(over))


def delay_row(found: Delay) -> str:
    """One printed line."""
    drained, evicted = (f"{one[0]:.0f} and {one[1]:.0f} s" for one in (found.drained, found.evicted))
    over = f"{found.over_bound[0]:.1f} and {found.over_bound[1]:.1f}"
    return f"delay, median and p95: drained {drained}, evicted {evicted}; drained over the bound {over}"


def as_json(episodes: Sequence[Episode]) -> dict[str, object]:
    """With stable keys: the delay and each episode."""
    return {"delay": asdict(delay(episodes)), "episodes": [asdict(one) for one in episodes]}


def _done(one: Episode, action_kind: ActionKind) -> bool:
    return one.first(action_kind) is not None


def _any(one: Episode, action_kind: ActionKind) -> bool:
    return any(act.action_kind == action_kind.value for act in one.acts)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return float("nan"), float("nan")
    return float(np.median(values)), float(np.quantile(values, 0.95))
