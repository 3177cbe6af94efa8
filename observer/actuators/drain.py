"""DRAIN and RESTORE: take one pod out of its callers' balancing by its label, and give it back."""

from __future__ import annotations

from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.errors import ActuatorUnavailable
from observer.domain.outcome import Outcome, Result
from observer.kube import outcomes
from observer.kube.client import KubeApi
from observer.kube.drain_mark import DrainMark
from observer.kube.errors import Invalid, KubeError
from observer.kube.patches import Operation, draining, patch_pod, restoring
from observer.kube.target import LivePod, read_target


class DrainActuator:
    """
    Implements ``ports.actuators.Actuator`` for DRAIN and RESTORE.

    What a pod may look like, by the draining label and our note (annotation):

        label  note   meaning                       DRAIN            RESTORE
        no     no     nobody drains it              write both       nothing to do: APPLIED
        yes    yes    we drain it                   renew the note   take both off, if it is this incident's
        yes    no     somebody else drains it       SUPERSEDED       SUPERSEDED
        no     yes    a person took it from us      SUPERSEDED       SUPERSEDED, and nothing is written

    ``by`` names this Observer in the note.
    """

    def __init__(self, api: KubeApi, *, by: str) -> None:
        self._api, self._by = api, by

    async def apply(self, action: Action) -> Outcome:
        try:
            target = outcomes.standing(action, await read_target(self._api, action.pod))
        except KubeError as exc:
            return outcomes.not_read(action, exc)
        if isinstance(target, Outcome):
            return target
        plan = self._drain(action, target) if action.action_kind is ActionKind.DRAIN else self._restore(action, target)
        if isinstance(plan, Outcome):
            return plan
        return await self._write(action, target, plan)

    async def look_up(self, action: Action) -> Outcome:
        """APPLIED when the pod carries what DRAIN writes, or nothing of what RESTORE takes off."""
        try:
            target = outcomes.standing(action, await read_target(self._api, action.pod))
        except KubeError as exc:
            raise ActuatorUnavailable(f"look up {action.action_kind.value} {action.pod}: {exc}") from exc
        if isinstance(target, Outcome):
            return target
        mark = target.mark
        if mark is not None and not target.drained:
            return _taken(action)
        drained = target.drained and mark is not None and mark.incident in {action.incident, ""}
        if drained is (action.action_kind is ActionKind.DRAIN):
            return Outcome(action.id, Result.APPLIED, "applied", "found so when looked up")
        return outcomes.not_applied(action, "the pod is still drained" if drained else "the pod is not drained by us")

    def _drain(self, action: Action, target: LivePod) -> list[Operation] | Outcome:
        mark = target.mark
        if mark is not None and not target.drained:
            return _taken(action)
        if target.drained and mark is None:
            return Outcome(action.id, Result.SUPERSEDED, "drained_by_other", f"label {names.DRAIN_LABEL} is not ours")
        return draining(target, DrainMark(action.incident, action.expires, self._by, action.term))

    @staticmethod
    def _restore(action: Action, target: LivePod) -> list[Operation] | Outcome:
        mark = target.mark
        if mark is None and not target.drained:
            return Outcome(action.id, Result.APPLIED, "already", "neither label nor note is on it")
        if mark is None:
            return Outcome(action.id, Result.SUPERSEDED, "not_ours", f"label {names.DRAIN_LABEL} is not ours")
        if not target.drained:
            return _taken(action)
        if mark.incident not in {action.incident, ""}:
            return Outcome(action.id, Result.SUPERSEDED, "other_incident", f"drained for incident {mark.incident}")
        return restoring(target)

    async def _write(self, action: Action, target: LivePod, plan: list[Operation]) -> Outcome:
        try:
            await patch_pod(self._api, target, plan, dry_run=action.dry_run)
        except Invalid as exc:
            return await self._explain(action, target, exc)
        except KubeError as exc:
            return outcomes.not_written(action, exc)
        return Outcome(action.id, Result.APPLIED, "applied")

    async def _explain(self, action: Action, before: LivePod, error: Invalid) -> Outcome:
        """422 is a failed ``test`` (the object changed under our hands) or a patch that is refused for good."""
        try:
            target = outcomes.standing(action, await read_target(self._api, action.pod))
        except KubeError as exc:
            return outcomes.not_read(action, exc)
        if isinstance(target, Outcome):
            return target
        if target.resource_version == before.resource_version:
            return Outcome(action.id, Result.REFUSED, "rejected", str(error))
        return Outcome(action.id, Result.DEFERRED, "lost_race", "the pod changed between the look and the write")


def _taken(action: Action) -> Outcome:
    return Outcome(action.id, Result.SUPERSEDED, "person_took_it", f"label {names.DRAIN_LABEL} was taken off by hand")


def actuator(api: KubeApi, by: str) -> DrainActuator:
    """Whoever drains."""
    return DrainActuator(api, by=by)
