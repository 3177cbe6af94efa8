"""Names of things in the cluster. A pod's name alone is never enough: it carries its uid."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class PodRef:
    """One incarnation of a pod: a StatefulSet pod's heir has the same name and another uid."""

    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> tuple[str, str]:
        """The name by which metrics know the pod: ``(namespace, pod)``."""
        return (self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class WorkloadRef:
    """The controller a person edits (a Deployment), not the ReplicaSet beneath it."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class ServiceRef:
    """A canonical service: the siblings behind it answer the same calls."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
