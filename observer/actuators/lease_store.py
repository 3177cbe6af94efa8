"""The Lease object as a compare-and-swap cell: PUT with the resourceVersion that was read."""

from __future__ import annotations

import math

import msgspec

from observer.domain.errors import SourceProtocolError
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.kube.errors import Conflict, KubeError, NotFound, as_source_error
from observer.ports.stores import LeaseRecord


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    name: str
    namespace: str
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Lease(msgspec.Struct, gc=False, rename="camel"):
    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)


_DECODER = msgspec.json.Decoder(_Lease)


class KubeLeaseStore:
    """
    Implements ``ports.stores.LeaseStore`` on coordination.k8s.io.

    Labels and annotations of the Lease (a chart's, a person's) are kept. ``timeout`` seconds bound each call.
    """

    def __init__(self, api: KubeApi, namespace: str, name: str, *, timeout: float = 3.0) -> None:
        self._api, self._namespace, self._name, self._timeout = api, namespace, name, timeout
        self._known: _Lease | None = None

    async def read(self) -> LeaseRecord | None:
        """None when there is no such Lease. Raises ``SourceUnavailable`` or ``SourceProtocolError``."""
        try:
            path = paths.lease(self._namespace, self._name)
            answer = await self._api.request("GET", path, within=self._timeout)
        except NotFound:
            self._known = None
            return None
        except KubeError as exc:
            raise as_source_error(str(self), exc) from exc
        return self._learn(answer.body)

    async def swap(self, record: LeaseRecord) -> LeaseRecord | None:
        body = self._body(record)
        try:
            if record.version:
                path = paths.lease(self._namespace, self._name)
                answer = await self._api.request("PUT", path, body=body, within=self._timeout)
            else:
                path = paths.lease(self._namespace)
                answer = await self._api.request("POST", path, body=body, within=self._timeout)
        except Conflict:
            return None
        except NotFound as exc:
            if record.version:
                return None  # deleted since it was read: the next read will find nothing and create it
            raise as_source_error(str(self), exc) from exc
        except KubeError as exc:
            raise as_source_error(str(self), exc) from exc
        return self._learn(answer.body)

    def __str__(self) -> str:
        return f"lease {self._namespace}/{self._name}"

    def _learn(self, body: bytes) -> LeaseRecord:
        try:
            self._known = lease = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise SourceProtocolError(f"kubernetes: {self}: {exc}") from exc
        spec = lease.spec
        return LeaseRecord(
            holder=spec.holder_identity or "",
            transitions=spec.lease_transitions or 0,
            duration=float(spec.lease_duration_seconds or 0),
            renewed=spec.renew_time or "",
            version=lease.metadata.resource_version,
        )

    def _body(self, record: LeaseRecord) -> dict[str, object]:
        lease = self._known
        before = lease.spec if lease is not None else _Spec()
        same = before.holder_identity == record.holder and before.lease_transitions == record.transitions
        meta: dict[str, object] = {"name": self._name, "namespace": self._namespace}
        if record.version:
            meta["resourceVersion"] = record.version
        if lease is not None and record.version:
            metadata = {"labels": lease.metadata.labels, "annotations": lease.metadata.annotations}
            meta |= {key: value for key, value in metadata.items() if value}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": meta,
            "spec": {
                "holderIdentity": record.holder,
                "leaseDurationSeconds": max(1, math.ceil(record.duration)),
                "leaseTransitions": record.transitions,
                "acquireTime": before.acquire_time if same and before.acquire_time else record.renewed,
                "renewTime": record.renewed,
            },
        }
