"""The pod as it is a moment before a write: what every precondition is taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from observer.domain import names
from observer.domain.ids import PodRef
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.kube.drain_mark import DrainMark
from observer.kube.errors import BadAnswer, NotFound


class Meta(msgspec.Struct, gc=False, rename="camel"):
    """Metadata of a pod, on the wire."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Pod(msgspec.Struct, gc=False):
    metadata: Meta


_DECODER = msgspec.json.Decoder(_Pod)


@dataclass(frozen=True, slots=True)
class LivePod:
    """
    What counts of it for a write.

    ``annotations`` is None when the pod has none at all: a JSON Patch must then create the map itself.
    """

    ref: PodRef
    resource_version: str
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str] | None
    labelled: bool

    @classmethod
    def of(cls, meta: Meta) -> LivePod:
        return cls(
            ref=PodRef(meta.namespace, meta.name, meta.uid),
            resource_version=meta.resource_version,
            deleting=meta.deletion_timestamp is not None,
            labels=meta.labels or {},
            annotations=meta.annotations,
            labelled=meta.labels is not None,
        )

    @property
    def drained(self) -> bool:
        """The draining label has a value, whoever wrote it."""
        return bool(self.labels.get(names.DRAIN_LABEL))

    @property
    def mark(self) -> DrainMark | None:
        """Our note, if there is one."""
        text = (self.annotations or {}).get(names.DRAIN_ANNOTATION)
        return DrainMark.of(text) if text is not None else None


async def read_target(api: KubeApi, pod: PodRef) -> LivePod | None:
    """Whoever has the pod's name now, or None; its uid may be another. Raises ``KubeError``."""
    try:
        answer = await api.request("GET", paths.pod(pod.namespace, pod.name))
        return LivePod.of(_DECODER.decode(answer.body).metadata)
    except NotFound:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadAnswer(f"pod {pod}: {exc}") from exc
