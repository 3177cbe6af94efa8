"""Every kind of decision that the code tells has a meaning, and a record that machines can read."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from observer.domain.action import ActionKind
from observer.domain.decision_record import namespace_of, record_of
from observer.domain.kinds import Kind, Stage, stages_of
from observer.domain.severities import Severity, at_least
from tests.support.receivers import AT, acted, told

ROOT = Path(__file__).parents[3] / "observer"
SPEAKERS = {"publish": 1, "publish_once": 1, "announce": 1, "record": 1}
"""Methods of the engine that make decisions, and which argument is the kind."""


def spoken() -> set[str]:
    """Kinds that stand as words in the engine and the runtime."""
    found: set[str] = set()
    for path in [*(ROOT / "engine").rglob("*.py"), *(ROOT / "runtime").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            place = SPEAKERS.get(getattr(node.func, "attr", ""))
            kind = node.args[place] if place is not None and len(node.args) > place else None
            if isinstance(kind, ast.Constant):
                found.add(str(kind.value))
            elif isinstance(kind, ast.Attribute) and ast.unparse(kind.value) == "Kind":
                found.add(Kind[kind.attr].value)
    return found


def test_every_kind_that_is_told_has_a_meaning() -> None:
    assert len(spoken()) > 10
    assert {word for word in spoken() if not Kind(word).listed} == set(), (
        "observer/domain/kinds.py says what each kind means"
    )
    assert {action_kind.value for action_kind in ActionKind} - {"annotate"} <= set(Kind)


def test_stages_come_in_the_order_of_the_loop() -> None:
    order = list(Stage)
    for kind in Kind:
        stages = stages_of(kind, acts=False)
        assert [order.index(one) for one in stages] == sorted(order.index(one) for one in stages)
        assert stages[-1] is Stage.TELL
    assert stages_of("of tomorrow", acts=True)[-2:] == (Stage.ACT, Stage.TELL)
    assert stages_of("of tomorrow", acts=False) == (Stage.TELL,)


def test_a_record_holds_what_is_known_and_nothing_else() -> None:
    figures = {"a": np.float64(0.5), "b": None, "c": float("nan"), "d": True, "e": np.int64(3), "f": 1}
    record = record_of(told(figures=figures))
    assert record["figures"] == {"a": 0.5, "c": "nan", "d": True, "e": 3, "f": 1}
    assert record["at"] == AT
    assert not {"outcome", "blocked_by", "links", "cluster", "trace_id", "action"} & record.keys()
    assert record_of(acted())["outcome"] == {"action": acted().action.id, "result": "applied", "reason": "applied"}  # type: ignore[union-attr]
    assert "trace_id" not in record_of(told(incident=""), trace_id="ab")


def test_severities_and_homes() -> None:
    assert at_least("page", "warning") and at_least("warning", "warning") and not at_least("info", "warning")
    assert at_least("unheard of", "page")
    assert Severity.PAGE.reaches(Severity.INFO) and not Severity.INFO.reaches(Severity.WARNING)
    assert namespace_of(told()) == namespace_of(told(pod=None)) == namespace_of(told(pod=None, workload=None)) == "shop"
    assert namespace_of(told(pod=None, workload=None, service=None)) == ""
