"""Names of things in the cluster. A pod's name alone is never enough: it carries its uid."""

from __future__ import annotations

from dataclasses import dataclass

from observer.domain.kinds import Vocabulary


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


class TargetKind(Vocabulary):
    """What an action can be done to. An action may bring a kind of its own: any word is one."""

    POD = "pod", "One incarnation of a pod."
    WORKLOAD = "workload", "A controller with all its pods."
    NODE = "node", "A node with all that runs on it."
    ROUTE = "route", "The weights by which traffic is shared among revisions."
    RELEASE = "release", "What is rolled out, and can be rolled back."


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """
    One thing in the cluster that an action is done to.

    ``uid`` tells incarnations of one name apart; ``namespace`` is empty for what is in none.
    """

    kind: TargetKind
    namespace: str
    name: str
    uid: str = ""

    @classmethod
    def of(cls, pod: PodRef) -> Target:
        """A pod as a target."""
        return cls(TargetKind.POD, pod.namespace, pod.name, pod.uid)

    @property
    def pod(self) -> PodRef | None:
        """The pod that it is; None when it is something else."""
        return PodRef(self.namespace, self.name, self.uid) if self.kind == TargetKind.POD else None

    @property
    def subject(self) -> str:
        """``pod shop/cart-1``."""
        return f"{self.kind.value} {self}"

    @property
    def title(self) -> str:
        """``Pod shop/cart-1 (uid 1f6c...)``: as a plan names it."""
        return f"{self.kind.value.capitalize()} {self}" + (f" (uid {self.uid})" if self.uid else "")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name
