"""Deciding works on values: nothing is written from outside, and nothing that a function returns gets lost."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import observer.engine
from observer.engine.context import Rules
from observer.engine.memory import Memory
from observer.engine.remediation.decision_log import DecisionLog
from tests.support.builders import NOW, enforce, incident_of

ENGINE = Path(observer.engine.__file__).parent
FILES = [ENGINE / "decide.py", *sorted((ENGINE / "remediation").glob("*.py"))]


def writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and kind of every statement that changes what another holds, or drops what a call returns."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from ((node.lineno, "assigns to an attribute") for one in targets if isinstance(one, ast.Attribute))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
            yield node.lineno, "drops what a call returns"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_memory_changes_by_return_value_only(file: Path) -> None:
    assert list(writes(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize(
    "line", ["log.put(incident)", "log.memory = memory", "log.planned += (entry,)", "log.memory: Memory = memory"]
)
def test_what_is_looked_for_is_seen(line: str) -> None:
    assert list(writes(ast.parse(line)))


def test_a_log_stays_as_it_was() -> None:
    log, incident = DecisionLog(NOW, Rules(enforce()), Memory()), incident_of("catalog-1")
    closed = log.put(incident).close(incident, "pod_gone", "It is gone.")
    assert (log.decisions, dict(log.memory.incidents)) == ((), {})
    assert [decision.kind for decision in closed.decisions] == ["closed"]
    assert closed.memory.incidents[incident.id].closing == "pod_gone"
