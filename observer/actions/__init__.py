"""
The actions: one file each, as data. Whoever has to know something about an action asks here.

Nobody else lists actions: a file here and an actuator of the same name are all that a new one costs, besides its test
and its page.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from observer.actions.model import ActionSpec, Effect
from observer.domain.action import Action, ActionKind
from observer.domain.approval import Plan
from observer.domain.cluster import Pod
from observer.domain.incident import Incident

__all__ = [
    "ActionSpec",
    "Effect",
    "every",
    "first_for",
    "harmful",
    "of",
    "plan_of",
    "register",
    "selectable",
    "unregister",
    "writing",
]  # fmt: skip


def _shipped() -> tuple[ActionSpec, ...]:
    """The actions of the files of this package: those of the domain's list first, in its order."""
    found = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if module.name != "model"]
    order = list(ActionKind)
    specs: list[ActionSpec] = [module.SPEC for module in found]
    return tuple(sorted(specs, key=lambda spec: order.index(spec.kind) if spec.kind in order else len(order)))


SHIPPED: Final = _shipped()
"""Mildest first."""

_TABLE: dict[ActionKind, ActionSpec] = {spec.kind: spec for spec in SHIPPED}

DRY_RUN_LINE: Final = "dryRun=All: the API server checks it and keeps nothing"


def of(kind: ActionKind) -> ActionSpec:
    """What there is to know about an action."""
    return _TABLE[kind]


def named(word: str) -> ActionSpec | None:
    """The action with this id; None for a word that is none."""
    return next((spec for spec in _TABLE.values() if spec.kind == word), None)


def every() -> tuple[ActionSpec, ...]:
    """All actions, mildest first; those that were registered later come last."""
    return tuple(_TABLE.values())


def register(spec: ActionSpec) -> ActionSpec:
    """Add an action to the table. Raises: ValueError when another has its id."""
    if _TABLE.setdefault(spec.kind, spec) is not spec:
        raise ValueError(f"there is an action {spec.kind.value!r} already")
    return spec


def unregister(kind: ActionKind) -> None:
    """Take a registered action out again; the shipped ones stay."""
    if kind not in {spec.kind for spec in SHIPPED}:
        _TABLE.pop(kind, None)


def harmful(kind: ActionKind | None) -> bool:
    """Whether it takes something from users or their workload; false for None and for what nobody knows any more."""
    spec = _TABLE.get(kind) if kind is not None else None
    return spec is not None and spec.harmful


def labels(kind: ActionKind) -> bool:
    """Whether it writes or removes the drain label."""
    spec = _TABLE.get(kind)
    return spec is not None and spec.labels


def has_effect(kind: ActionKind | None, effect: Effect) -> bool:
    """Whether such an effect follows from it."""
    spec = _TABLE.get(kind) if kind is not None else None
    return spec is not None and spec.effect is effect


def selectable() -> tuple[ActionKind, ...]:
    """Those that a policy may list."""
    return tuple(spec.kind for spec in every() if spec.selectable)


def approvable() -> tuple[ActionKind, ...]:
    """Those that a policy may want a person to approve: the harmful ones."""
    return tuple(spec.kind for spec in every() if spec.harmful)


def writing() -> tuple[ActionSpec, ...]:
    """Those that change the cluster."""
    return tuple(spec for spec in every() if spec.writes)


def first_for(allowed: Iterable[ActionKind], incident: Incident, pod: Pod | None) -> ActionSpec | None:
    """The mildest allowed action with which an incident about this pod begins; None when there is none."""
    listed = frozenset(allowed)
    return next((spec for spec in every() if spec.kind in listed and spec.first and spec.suits(incident, pod)), None)


def plan_of(action: Action, *, seconds: float) -> Plan:
    """The plan of an action, as a person is shown it; ``seconds`` is how long a drain may last under the policy."""
    diff = of(action.action_kind).diff(action, seconds)
    if action.dry_run:
        diff = (*diff, DRY_RUN_LINE)
    return Plan(action.incident, action.target, action.action_kind, action.attempt, action.dry_run, diff)
