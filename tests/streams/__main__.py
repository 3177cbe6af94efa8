"""``python -m tests.streams compare|write [--more] [--only TEXT] [--cheap]``: the engine against its own past."""

from __future__ import annotations

import argparse
import sys
import time

import structlog

from tests.streams.scenes import Scene, scenes
from tests.streams.stored import Words, differences, path, read, write

_LOUD = 50
"""Log lines of the scenes are not wanted."""


def main(argv: list[str]) -> int:
    """Exit code 0 when every scene went as it is stored."""
    parser = argparse.ArgumentParser(prog="python -m tests.streams", description=__doc__)
    parser.add_argument("what", choices=("compare", "write"))
    parser.add_argument("--more", action="store_true", help="the further scenes, too (minutes)")
    parser.add_argument("--cheap", action="store_true", help="only what the tests compare")
    parser.add_argument("--only", default="", metavar="TEXT", help="scenes that have this in their names")
    chosen = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_LOUD))
    if chosen.what == "write":
        for more in (False, True)[: 1 + chosen.more]:
            write({one.name: one.rows() for one in scenes(more=more) if one.more is more}, more=more)
            print(f"{path(more=more)}: {path(more=more).stat().st_size} bytes")
        return 0
    wanted = [one for one in scenes(more=chosen.more) if chosen.only in one.name and (one.cheap or not chosen.cheap)]
    return compare(wanted, more=chosen.more)


def compare(wanted: list[Scene], *, more: bool) -> int:
    """Print where scenes went another way."""
    words, began, wrong = Words.of_the_tree(), time.process_time(), 0
    stored = read(more=False) | (read(more=True) if more else {})
    for scene in wanted:
        found = list(differences(scene.name, stored[scene.name], scene.rows(), words))
        wrong += bool(found)
        for line in found:
            print(line, flush=True)
    print(f"{len(wanted) - wrong} of {len(wanted)} scenes as in 0.1.0, {time.process_time() - began:.0f} CPU seconds")
    return 1 if wrong or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
