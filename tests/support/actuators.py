"""The shipped actuators as one, for tests that go through several actions of one pod."""

from __future__ import annotations

from observer.actuators.drain import DrainActuator
from observer.actuators.restore import RestoreActuator
from observer.domain.action import Action, ActionKind
from observer.domain.outcome import Outcome
from observer.kube.client import KubeApi
from observer.kube.patches import MarkActuator


class DrainAndRestore:
    """Implements ``ports.actuators.Actuator`` for both; ``by`` names this Observer in the note."""

    def __init__(self, api: KubeApi, *, by: str) -> None:
        self._drain, self._restore = DrainActuator(api, by=by), RestoreActuator(api)

    async def apply(self, action: Action) -> Outcome:
        return await self._of(action).apply(action)

    async def look_up(self, action: Action) -> Outcome:
        return await self._of(action).look_up(action)

    def _of(self, action: Action) -> MarkActuator:
        return self._drain if action.action_kind is ActionKind.DRAIN else self._restore
