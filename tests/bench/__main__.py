"""``python -m tests.bench``: every claim of speed and accuracy as a figure, each against its yardstick in one run."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tests.bench import delay, quiet, tick_cost


def main() -> None:
    """Run the chosen parts; ``--json`` also writes their figures with stable keys."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="2 000 quiet pod-days and 200 repeats instead of 200 and 40"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--only", choices=("tick", "delay", "quiet"), help="one part alone")
    wanted = parser.parse_args()
    parts = (wanted.only,) if wanted.only else ("tick", "delay", "quiet")
    figures: dict[str, object] = {}
    if "tick" in parts:
        costs = tick_cost.measure()
        print(*(tick_cost.row(cost) for cost in costs), sep="\n", flush=True)
        figures["tick"] = [asdict(cost) | {"ratio": cost.ratio} for cost in costs]
    if "delay" in parts:
        figures["delay"] = [asdict(one) for one in delay.measure(200 if wanted.full else 40, say=_say)]
    if "quiet" in parts:
        figures["quiet"] = [asdict(one) for one in quiet.measure(2000.0 if wanted.full else 200.0, say=_say)]
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(figures, indent=1) + "\n")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
