"""The measures of the house: small files, small functions, honest names, no broad except."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "observer").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def functions() -> Iterator[tuple[str, int]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_files_are_small() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}

    assert {name: lines for name, lines in long.items() if lines > 420} == {}


def test_functions_are_small() -> None:
    lengths = dict(functions())

    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}
    assert median(lengths.values()) <= 12


def test_rooms_are_named_for_what_they_hold() -> None:
    assert [str(path) for path in SOURCES if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES] == []


def test_broad_excepts_stand_only_at_two_task_boundaries() -> None:
    broad = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                name = node.type.id if isinstance(node.type, ast.Name) else "" if node.type else "BaseException"
                passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                if name in {"Exception", "BaseException"} and not passes_on:
                    broad.append(str(path.relative_to(ROOT)))

    assert len(broad) <= 2
    assert all(name.startswith("observer/runtime/") for name in broad)


def test_one_client_speaks_http() -> None:
    """ADR 26: the Kubernetes client keeps its own connection, everything else goes through ``http_client``."""
    opening = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"ClientSession\(|aiohttp\.request\(|requests\.(get|post|request)\(|urlopen\(", path.read_text())
    ]
    assert [path for path in opening if not path.startswith("observer/simulator/")] == [
        "observer/http_client/client.py"
    ]
