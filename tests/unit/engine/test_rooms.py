"""
The engine's rooms: few of them, on few floors.

A room is a file or a folder directly in ``observer/engine``; a floor is a step of the longest chain of imports among
them. What was 29 rooms on 13 floors could be read by nobody from beginning to end.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import observer.engine

ENGINE = Path(observer.engine.__file__).parent
MOST_ROOMS = 12
MOST_FLOORS = 7


def rooms() -> dict[str, list[Path]]:
    """Each room with its files; ``__init__`` is the door of the house, no room."""
    here = [path for path in sorted(ENGINE.iterdir()) if path.name not in {"__init__.py", "__pycache__"}]
    return {path.stem: sorted(path.rglob("*.py")) if path.is_dir() else [path] for path in here}


def imported(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below() -> dict[str, frozenset[str]]:
    """The rooms that each room imports."""
    prefix = f"{observer.engine.__name__}."
    house = rooms()
    return {
        room: frozenset(
            other
            for path in files
            for name in imported(path)
            if name.startswith(prefix) and (other := name.removeprefix(prefix).split(".")[0]) in house and other != room
        )
        for room, files in house.items()
    }


def longest(start: str, ways: Mapping[str, frozenset[str]], above: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The longest chain of imports down from a room."""
    chain = (*above, start)
    assert start not in above, f"a circle of rooms: {' -> '.join(chain)}"
    return max((longest(room, ways, chain) for room in sorted(ways[start])), key=len, default=chain)


def test_the_engine_has_few_rooms() -> None:
    assert len(rooms()) <= MOST_ROOMS, sorted(rooms())


def test_the_engine_has_few_floors() -> None:
    ways = below()
    chain = max((longest(room, ways) for room in sorted(ways)), key=len)
    assert len(chain) <= MOST_FLOORS, " -> ".join(chain)


def test_the_judges_do_not_lean_on_what_acts() -> None:
    ways = below()
    for room in ("detect", "slo", "attribution"):
        assert not ways[room] & {"remediation", "decide", "memory"}, (room, ways[room])


def test_each_file_of_the_detectors_has_a_test_file_of_its_name() -> None:
    tests = Path(__file__).parent / "detect"
    files = [path.stem for path in sorted((ENGINE / "detect").glob("*.py")) if path.stem != "__init__"]
    assert [name for name in files if not (tests / f"test_{name}.py").exists()] == []
