"""Paths of the API objects that Observer touches. Names are quoted, so that no name can leave its segment."""

from __future__ import annotations

from urllib.parse import quote


def pods(namespace: str = "") -> str:
    """All pods, or those of one namespace."""
    return collection("/api/v1", "pods", namespace)


def pod(namespace: str, name: str, sub: str = "") -> str:
    """One pod, or its subresource (``eviction``, ``log``)."""
    return f"{pods(namespace)}/{quote(name, safe='')}" + (f"/{sub}" if sub else "")


def config_map(namespace: str, name: str = "") -> str:
    """One ConfigMap, or the collection it is created in."""
    return _named(collection("/api/v1", "configmaps", namespace), name)


def lease(namespace: str, name: str = "") -> str:
    """One Lease, or the collection it is created in."""
    return _named(collection("/apis/coordination.k8s.io/v1", "leases", namespace), name)


def event(namespace: str, name: str = "") -> str:
    """One events.k8s.io Event, or the collection it is created in."""
    return _named(collection("/apis/events.k8s.io/v1", "events", namespace), name)


def core_events(namespace: str) -> str:
    """The same Events in their older shape, which can be selected by the uid of the object they are about."""
    return collection("/api/v1", "events", namespace)


def collection(group: str, resource: str, namespace: str = "") -> str:
    """A collection below ``group`` (``/api/v1``, ``/apis/apps/v1``), cluster-wide without a namespace."""
    return f"{group}/namespaces/{quote(namespace, safe='')}/{resource}" if namespace else f"{group}/{resource}"


def _named(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}" if name else path
