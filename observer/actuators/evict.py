"""EVICT: ask the Eviction API for exactly the incarnation that was judged. A refusal is never answered by a delete."""

from __future__ import annotations

from observer.domain.action import Action
from observer.domain.errors import ActuatorUnavailable
from observer.domain.outcome import Outcome, Result
from observer.kube import outcomes, paths
from observer.kube.client import KubeApi
from observer.kube.errors import Conflict, KubeError
from observer.kube.target import LivePod, read_target


class EvictActuator:
    """
    Implements ``ports.actuators.Actuator`` for EVICT.

    The API server judges disruption budgets before it looks at the uid, so a stale uid would be answered by the
    budget's refusal: the uid is read first, and still sent as a precondition.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def apply(self, action: Action) -> Outcome:
        try:
            target = outcomes.standing(action, await read_target(self._api, action.pod))
        except KubeError as exc:
            return outcomes.not_read(action, exc)
        if isinstance(target, Outcome):
            return target
        try:
            path = paths.pod(action.pod.namespace, action.pod.name, "eviction")
            await self._api.request("POST", path, body=eviction(target, dry_run=action.dry_run))
        except Conflict as exc:
            return await self._explain(action, exc)
        except KubeError as exc:
            return outcomes.not_written(action, exc)
        return Outcome(action.id, Result.APPLIED, "applied")

    async def look_up(self, action: Action) -> Outcome:
        """APPLIED when that incarnation is gone or on its way out, whoever sent it there."""
        try:
            target = outcomes.standing(action, await read_target(self._api, action.pod))
        except KubeError as exc:
            raise ActuatorUnavailable(f"look up evict {action.pod}: {exc}") from exc
        if isinstance(target, Outcome):
            return Outcome(action.id, Result.APPLIED, "applied", "that incarnation is gone or terminating")
        return outcomes.not_applied(action, "the pod is still there")

    async def _explain(self, action: Action, error: Conflict) -> Outcome:
        """409: a precondition failed. Whose name it is now tells which."""
        try:
            target = outcomes.standing(action, await read_target(self._api, action.pod))
        except KubeError as exc:
            return outcomes.not_read(action, exc)
        return target if isinstance(target, Outcome) else outcomes.not_written(action, error)


def eviction(target: LivePod, *, dry_run: bool) -> dict[str, object]:
    """
    The policy/v1 Eviction of exactly the incarnation that was read; its own grace period applies.

    Only the uid is a precondition: the API server spends the disruption budget before it looks at preconditions, so a
    resourceVersion that a status update of the kubelet made stale would cost the budget for nothing.
    """
    options: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": target.ref.uid},
    }
    if dry_run:
        options["dryRun"] = ["All"]
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": target.ref.name, "namespace": target.ref.namespace},
        "deleteOptions": options,
    }


def actuator(api: KubeApi, _by: str) -> EvictActuator:
    """Whoever evicts."""
    return EvictActuator(api)
