"""
RESTORE: give a drained pod its traffic back.

``restore_expired`` needs neither daemon nor journal nor memory: all that it has to know stands on the pods.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.errors import ActuatorUnavailable, SourceProtocolError
from observer.domain.ids import PodRef, Target
from observer.domain.outcome import Outcome, Result
from observer.kube import outcomes, paths
from observer.kube.client import KubeApi
from observer.kube.errors import Gone, Invalid, KubeError, ListMeta, as_source_error
from observer.kube.patches import MarkActuator, Operation, patch_pod, restoring
from observer.kube.target import LivePod, Meta, read_target
from observer.kube.times import rfc3339

_PAGE = 500


class _Listed(msgspec.Struct, gc=False):
    metadata: Meta


class _Pods(msgspec.Struct, gc=False):
    metadata: ListMeta
    items: list[_Listed] | None = None


_DECODER = msgspec.json.Decoder(_Pods)


class RestoreActuator(MarkActuator):
    """Implements ``ports.actuators.Actuator`` for RESTORE."""

    drains = False

    def plan(self, action: Action, target: LivePod) -> list[Operation] | Outcome:
        """Take label and note off, if they are this incident's."""
        mark = target.mark
        if mark is None and not target.drained:
            return Outcome(action.id, Result.APPLIED, "already", "neither label nor note is on it")
        if mark is None:
            return Outcome(action.id, Result.SUPERSEDED, "not_ours", f"label {names.DRAIN_LABEL} is not ours")
        if mark.incident not in {action.incident, ""}:
            return Outcome(action.id, Result.SUPERSEDED, "other_incident", f"drained for incident {mark.incident}")
        return restoring(target)


async def restore_expired(
    api: KubeApi,
    now: float,
    *,
    all_namespaces: bool = True,
    namespaces: Sequence[str] = (),
    force: bool = False,
    only: str | None = None,
    dry_run: bool = False,
) -> list[tuple[str, Outcome]]:
    """
    Restore every pod that Observer drained and whose note has expired at ``now`` (Unix seconds).

    Args:
        all_namespaces, namespaces: where to look; ``namespaces`` counts when ``all_namespaces`` is false.
        force: restore before the expiry too. only: nothing but this ``namespace/pod``.
    Returns: ``namespace/pod`` and outcome of each pod that has the draining label or was named by ``only``:
        ``applied``; ``not_expired``; ``not_ours`` (label without our note); ``person_took_it`` (note without the
        label, seen for ``only`` alone); ``lost_race``; ``not_known`` when the answer never came.
    Raises: ``SourceUnavailable`` or ``SourceProtocolError`` when the pods cannot be listed.
    """
    candidates = await _candidates(api, all_namespaces, namespaces, only)
    return [(str(pod.ref), await _restored(api, pod, now, force=force, dry_run=dry_run)) for pod in candidates]


async def _restored(api: KubeApi, target: LivePod, now: float, *, force: bool, dry_run: bool) -> Outcome:
    mark = target.mark
    action = Action(ActionKind.RESTORE, mark.incident if mark else "", Target.of(target.ref), dry_run=dry_run)
    if target.deleting:
        return Outcome(action.id, Result.SUPERSEDED, "terminating", "it is being deleted already")
    if mark is None:
        if target.drained:
            return Outcome(action.id, Result.SUPERSEDED, "not_ours", f"label {names.DRAIN_LABEL} is not ours")
        return Outcome(action.id, Result.SUPERSEDED, "not_drained", "nobody drains it")
    if not target.drained:
        return Outcome(action.id, Result.SUPERSEDED, "person_took_it", "the label was taken off by hand")
    if not force and mark.expires > now:
        return Outcome(action.id, Result.DEFERRED, "not_expired", f"until {rfc3339(mark.expires)}", mark.expires - now)
    try:
        await patch_pod(api, target, restoring(target), dry_run=dry_run)
    except Invalid:
        return Outcome(action.id, Result.DEFERRED, "lost_race", "the pod changed between the look and the write")
    except KubeError as exc:
        try:
            return outcomes.not_written(action, exc)
        except ActuatorUnavailable as unknown:
            return Outcome(action.id, Result.UNKNOWN, "not_known", str(unknown))
    return Outcome(action.id, Result.APPLIED, "applied", f"drained for incident {mark.incident or 'unknown'}")


async def _candidates(api: KubeApi, all_namespaces: bool, namespaces: Sequence[str], only: str | None) -> list[LivePod]:
    if only is not None:
        namespace, _, name = only.partition("/")
        try:
            target = await read_target(api, PodRef(namespace, name, ""))
        except KubeError as exc:
            raise as_source_error(f"pod {only}", exc) from exc
        return [target] if target is not None else []
    where = ("",) if all_namespaces else tuple(namespaces)
    return [target for namespace in where for target in await _labelled(api, namespace)]


async def _labelled(api: KubeApi, namespace: str) -> list[LivePod]:
    """Pods with the draining label. A pod with our note alone needs nothing: it serves already."""
    try:
        return await _pages(api, namespace, _PAGE)
    except Gone:
        pass  # the listing was too slow for its token: everything in one answer
    except KubeError as exc:
        raise as_source_error("drained pods", exc) from exc
    try:
        return await _pages(api, namespace, 0)
    except KubeError as exc:
        raise as_source_error("drained pods", exc) from exc


async def _pages(api: KubeApi, namespace: str, limit: int) -> list[LivePod]:
    query = {"labelSelector": names.DRAIN_LABEL} | ({"limit": str(limit)} if limit else {})
    targets: list[LivePod] = []
    while True:
        answer = await api.request("GET", paths.pods(namespace), query=query)
        try:
            page = _DECODER.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise SourceProtocolError(f"kubernetes: drained pods: {exc}") from exc
        targets.extend(LivePod.of(item.metadata) for item in page.items or ())
        if not page.metadata.continue_:
            return targets
        query["continue"] = page.metadata.continue_


def actuator(api: KubeApi, _by: str) -> RestoreActuator:
    """Whoever restores while the daemon runs."""
    return RestoreActuator(api)
