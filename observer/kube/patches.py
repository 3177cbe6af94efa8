"""The two patches of a drain. Each is one write: label and note come and go together or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from observer.domain import names
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.kube.drain_mark import DrainMark
from observer.kube.target import LivePod

JSON_PATCH = "application/json-patch+json"
Operation = Mapping[str, object]


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
