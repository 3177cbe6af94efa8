"""
The two patches of a drain, and how they are written. Each is one write: label and note come and go together or not at
all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from observer.domain import names
from observer.domain.action import Action
from observer.domain.errors import ActuatorUnavailable
from observer.domain.outcome import Outcome, Result
from observer.kube import outcomes, paths
from observer.kube.client import KubeApi
from observer.kube.drain_mark import DrainMark
from observer.kube.errors import Invalid, KubeError
from observer.kube.target import LivePod, read_target

JSON_PATCH = "application/json-patch+json"
Operation = Mapping[str, object]


class MarkActuator(ABC):
    """
    What DRAIN and RESTORE share: a look, one patch, and what a refusal of it means.

    What a pod may look like, by the draining label and our note (annotation):

        label  note   meaning                       DRAIN            RESTORE
        no     no     nobody drains it              write both       nothing to do: APPLIED
        yes    yes    we drain it                   renew the note   take both off, if it is this incident's
        yes    no     somebody else drains it       SUPERSEDED       SUPERSEDED
        no     yes    a person took it from us      SUPERSEDED       SUPERSEDED, and nothing is written
    """

    drains: bool
    """Whether the pod is drained once it is done."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    @abstractmethod
    def plan(self, action: Action, target: LivePod) -> list[Operation] | Outcome:
        """What is to be written, or why nothing is."""

    async def apply(self, action: Action) -> Outcome:
        """See ``ports.actuators.Actuator.apply``."""
        try:
            target = outcomes.standing(action, await read_target(self._api, action.pod))
        except KubeError as exc:
            return outcomes.not_read(action, exc)
        if isinstance(target, Outcome):
            return target
        plan = _taken(action) if target.mark is not None and not target.drained else self.plan(action, target)
        if isinstance(plan, Outcome):
            return plan
        try:
            await patch_pod(self._api, target, plan, dry_run=action.dry_run)
        except Invalid as exc:
            return await self._explain(action, target, exc)
        except KubeError as exc:
            return outcomes.not_written(action, exc)
        return Outcome(action.id, Result.APPLIED, "applied")

    async def look_up(self, action: Action) -> Outcome:
        """APPLIED when the pod carries what a drain writes, or nothing of what a restore takes off."""
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
        if drained is self.drains:
            return Outcome(action.id, Result.APPLIED, "applied", "found so when looked up")
        return outcomes.not_applied(action, "the pod is still drained" if drained else "the pod is not drained by us")

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


def draining(target: LivePod, mark: DrainMark) -> list[Operation]:
    """Write label and note on exactly the object that was read."""
    return [
        *_same(target),
        *_put("labels", target.labelled, names.DRAIN_LABEL, names.DRAIN_VALUE),
        *_put("annotations", target.annotations is not None, names.DRAIN_ANNOTATION, mark.text()),
    ]


def restoring(target: LivePod) -> list[Operation]:
    """Take off label and note from exactly the object that was read; it must carry both."""
    return [
        *_same(target),
        {"op": "remove", "path": _pointer("labels", names.DRAIN_LABEL)},
        {"op": "remove", "path": _pointer("annotations", names.DRAIN_ANNOTATION)},
    ]


async def patch_pod(api: KubeApi, target: LivePod, operations: list[Operation], *, dry_run: bool = False) -> None:
    """Send a JSON Patch; raises ``KubeError``, ``Invalid`` when a ``test`` in it failed."""
    query = {"fieldManager": names.FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
    path = paths.pod(target.ref.namespace, target.ref.name)
    await api.request("PATCH", path, query=query, body=operations, content_type=JSON_PATCH)


def _same(target: LivePod) -> list[Operation]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": target.ref.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": target.resource_version},
    ]


def _put(field: str, exists: bool, key: str, value: str) -> list[Operation]:
    if not exists:
        return [{"op": "add", "path": f"/metadata/{field}", "value": {key: value}}]
    return [{"op": "add", "path": _pointer(field, key), "value": value}]


def _pointer(field: str, key: str) -> str:
    """A JSON Pointer: ``~`` and ``/`` inside a key are escaped."""
    return f"/metadata/{field}/{key.replace('~', '~0').replace('/', '~1')}"


def _taken(action: Action) -> Outcome:
    return Outcome(action.id, Result.SUPERSEDED, "person_took_it", f"label {names.DRAIN_LABEL} was taken off by hand")
