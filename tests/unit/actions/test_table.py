"""The table of actions is whole, and a list of actions stands nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from observer import actions
from observer.actions import ActionSpec, Effect
from observer.domain import action
from observer.domain.action import Action, ActionKind
from observer.domain.ids import PodRef, Target, TargetKind
from observer.domain.kinds import Kind, Stage
from tests.support.builders import incident_of, pod

ROOT = Path(__file__).parents[3] / "observer"
OWN = ("actions", "domain")
"""Packages in which actions may be listed."""


def of_kind(spec: ActionSpec) -> str:
    return spec.kind.value


@pytest.mark.parametrize("spec", actions.every(), ids=of_kind)
def test_each_action_has_a_file_of_its_name_and_a_kind(spec: ActionSpec) -> None:
    assert import_module(f"observer.actions.{spec.kind.value}").SPEC is spec
    assert actions.of(spec.kind) is spec
    assert not spec.writes or Kind(spec.kind.value).stages[-2:] == (Stage.ACT, Stage.TELL)
    if spec.writes:
        assert callable(import_module(f"observer.actuators.{spec.kind.value}").actuator)


@pytest.mark.parametrize("spec", actions.every(), ids=of_kind)
def test_what_an_action_says_agrees_with_itself(spec: ActionSpec) -> None:
    assert spec.summary.endswith(".") and spec.done and spec.event and spec.verb
    assert not spec.harmful or (spec.writes and spec.selectable)
    assert bool(spec.rules) == bool(spec.fences) == spec.writes
    assert spec.undo is None or (spec.reversible and actions.of(spec.undo).effect is Effect.RESTORED)
    assert not spec.runs or spec.undo is not None


def test_ids_of_the_domain_are_those_of_the_table_mildest_first() -> None:
    assert [spec.kind for spec in actions.SHIPPED][: len(ActionKind)] == list(ActionKind)
    assert actions.selectable()[:3] == action.selectable()[:3] and actions.approvable()[:2] == action.approvable()[:2]
    tiers = [spec.tier for spec in actions.every() if spec.harmful]
    assert tiers == sorted(tiers)


def test_a_plan_shows_the_changes_and_says_when_nothing_is_kept() -> None:
    target = Target.of(PodRef("shop", "cart-1", "u1"))
    drain = Action(ActionKind.DRAIN, "i1", target)
    plan = actions.plan_of(drain, seconds=300.0)
    assert plan.diff == (
        "~ Pod shop/cart-1 (uid u1)",
        '+ metadata.labels["istio.io/draining"]: "true"',
        '+ metadata.annotations["observer.dev/drained"]: incident i1, restored after 300 s at the latest',
    )
    tried = actions.plan_of(replace(drain, dry_run=True), seconds=300.0)
    assert tried.diff == (*plan.diff, "dryRun=All: the API server checks it and keeps nothing")
    assert tried.hash != plan.hash != actions.plan_of(drain, seconds=301.0).hash


@pytest.mark.parametrize(
    ("allowed", "sidecar", "first"),
    [
        (("annotate", "drain", "evict"), True, "drain"),
        (("annotate", "drain", "evict"), False, "evict"),
        (("annotate", "evict"), True, "evict"),
        (("annotate", "drain"), False, None),
        (("annotate",), True, None),
    ],
)
def test_an_incident_begins_with_the_mildest_action_that_suits_the_pod(
    allowed: tuple[str, ...], sidecar: bool, first: str | None
) -> None:
    culprit = replace(pod("catalog-1"), sidecar=sidecar)
    spec = actions.first_for([ActionKind(word) for word in allowed], incident_of("catalog-1"), culprit)
    assert (spec.kind if spec is not None else None) == first


def test_an_action_on_something_else_has_no_pod() -> None:
    of_node = Action(ActionKind.EVICT, "i1", Target(TargetKind.NODE, "", "node-1", "u9"))
    assert (of_node.target.subject, of_node.target.title) == ("node node-1", "Node node-1 (uid u9)")
    with pytest.raises(ValueError, match="not about a pod"):
        _ = of_node.pod


def lists_of_actions(tree: ast.AST) -> Iterator[ast.AST]:
    """Collections, choices and dictionaries in which more than one action is named."""
    for node in ast.walk(tree):
        match node:
            case ast.List(elts=parts) | ast.Set(elts=parts) | ast.Tuple(elts=parts):
                words = [named(part) for part in parts]
            case ast.Dict(keys=keys, values=values):
                words = [named(part) for part in (*keys, *values) if part is not None]
            case ast.Match(cases=cases):
                words = [named(part) for case in cases for part in ast.walk(case.pattern)]
            case ast.If():
                words = [named(part) for test in chain(node) for part in ast.walk(test)]
            case _:
                continue
        if len({word for word in words if word}) > 1:
            yield node


def chain(node: ast.If) -> Iterator[ast.expr]:
    """The questions of an if and of its elifs."""
    yield node.test
    if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        yield from chain(node.orelse[0])


def named(node: ast.AST) -> str:
    """The action that an expression is; empty if it is none."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ActionKind":
        return node.attr.lower() if node.attr in ActionKind.__members__ else ""
    return node.value if isinstance(node, ast.Constant) and node.value in set(ActionKind) else ""


def test_a_list_of_actions_stands_nowhere_else() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).parts[0] not in OWN
        for node in lists_of_actions(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == [], "ask observer.actions instead"


@pytest.mark.parametrize(
    "text",
    [
        "x in (ActionKind.DRAIN, ActionKind.EVICT)",
        "{ActionKind.DRAIN: 1, ActionKind.EVICT: 2}",
        "['drain', 'evict']",
        "if x is ActionKind.DRAIN:\n 1\nelif x is ActionKind.EVICT:\n 2",
        "match x:\n case ActionKind.DRAIN: 1\n case ActionKind.EVICT: 2",
    ],
)
def test_the_search_finds_such_lists(text: str) -> None:
    assert list(lists_of_actions(ast.parse(text)))
