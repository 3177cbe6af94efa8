"""``python -m tests.bench``: every claim of speed and accuracy as a figure, each against its yardstick in one run."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import structlog

from tests.bench import crashes, delay, evictions, page, quiet, suspects, tick_cost, webhook

SEED = 271_828
"""Used nowhere while Observer was developed."""
POINTS = 10_000
STORED = 200


def main() -> None:
    """Run the chosen parts; ``--json`` also writes their figures with stable keys."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="2 000 quiet pod-days, 400 repeats, 10 000 crashes over SQLite"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all that is drawn (default {SEED})")
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="this part; may be given again")
    wanted = parser.parse_args()
    # What the parts log is not what is measured.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    figures: dict[str, object] = {"seed": wanted.seed, "full": wanted.full}
    for name in wanted.only or PARTS:
        figures[name] = PARTS[name](wanted.seed, wanted.full)
        if wanted.json is not None:
            wanted.json.write_text(json.dumps(figures, indent=1) + "\n")


def _tick(seed: int, full: bool) -> object:
    return [asdict(cost) | {"ratio": cost.ratio} for cost in tick_cost.measure(say=_say)]


def _delay(seed: int, full: bool) -> object:
    return [asdict(one) for one in delay.measure(400 if full else 100, seed=seed, say=_say)]


def _quiet(seed: int, full: bool) -> object:
    control = quiet.control(seed=seed)
    _say(quiet.control_row(control))
    found = quiet.measure(2000.0 if full else 200.0, seed=seed, say=_say)
    return {"control": asdict(control), "regimes": [asdict(one) for one in found]}


def _suspects(seed: int, full: bool) -> object:
    found = suspects.measure(seed=seed)
    _say(suspects.row(found))
    return asdict(found)


def _evictions(seed: int, full: bool) -> object:
    found = evictions.measure()
    _say(evictions.row(found))
    return asdict(found)


def _crashes(seed: int, full: bool) -> object:
    promised, stored = crashes.measure(POINTS, POINTS if full else STORED, seed=seed)
    _say(crashes.row("journal in memory", promised))
    _say(crashes.row("SQLite", stored))
    return {"memory": asdict(promised), "sqlite": asdict(stored)}


def _page(seed: int, full: bool) -> object:
    return asdict(page.measure(seed=seed, say=_say))


def _webhook(seed: int, full: bool) -> object:
    found = webhook.measure()
    for line in webhook.rows(found):
        _say(line)
    return asdict(found)


def _say(line: str) -> None:
    print(line, flush=True)


PARTS: dict[str, Callable[[int, bool], object]] = {
    "tick": _tick,
    "delay": _delay,
    "quiet": _quiet,
    "suspects": _suspects,
    "evictions": _evictions,
    "crashes": _crashes,
    "page": _page,
    "webhook": _webhook,
}

if __name__ == "__main__":
    main()
