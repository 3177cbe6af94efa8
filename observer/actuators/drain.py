"""DRAIN: take one pod out of its callers' balancing by its label."""

from __future__ import annotations

from observer.domain import names
from observer.domain.action import Action
from observer.domain.outcome import Outcome, Result
from observer.kube.client import KubeApi
from observer.kube.drain_mark import DrainMark
from observer.kube.patches import MarkActuator, Operation, draining
from observer.kube.target import LivePod


class DrainActuator(MarkActuator):
    """Implements ``ports.actuators.Actuator`` for DRAIN; ``by`` names this Observer in the note on the pod."""

    drains = True

    def __init__(self, api: KubeApi, *, by: str) -> None:
        super().__init__(api)
        self._by = by

    def plan(self, action: Action, target: LivePod) -> list[Operation] | Outcome:
        """Write label and note, or renew the note of what we drain already."""
        if target.drained and target.mark is None:
            return Outcome(action.id, Result.SUPERSEDED, "drained_by_other", f"label {names.DRAIN_LABEL} is not ours")
        return draining(target, DrainMark(action.incident, action.expires, self._by, action.term))


def actuator(api: KubeApi, by: str) -> DrainActuator:
    """Whoever drains."""
    return DrainActuator(api, by=by)
