"""
Who carries actions out: one module for each action, named as its file in ``observer.actions``.

Each has a function ``actuator`` that makes one for an API server; ``by`` names this Observer in what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from observer import actions
from observer.domain.action import ActionKind

if TYPE_CHECKING:
    from observer.kube.client import KubeApi
    from observer.ports.actuators import Actuator

    Maker = Callable[[KubeApi, str], Actuator]

_REGISTERED: Final[dict[ActionKind, Maker]] = {}


def register(kind: ActionKind, maker: Maker) -> None:
    """Who carries out an action that was registered in ``observer.actions``, and has no module here."""
    _REGISTERED[kind] = maker


def every(api: KubeApi, *, by: str) -> Mapping[ActionKind, Actuator]:
    """An actuator for each action that changes the cluster. Raises: ModuleNotFoundError for one without a module."""
    return {spec.kind: _maker(spec.kind)(api, by) for spec in actions.writing()}


def _maker(kind: ActionKind) -> Maker:
    if kind in _REGISTERED:
        return _REGISTERED[kind]
    made: Maker = import_module(f"observer.actuators.{kind.value}").actuator
    return made
