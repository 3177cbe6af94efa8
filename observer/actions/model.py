"""What an action is: everything that guards, budgets, sinks, manifests and pages have to know about it, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from observer.domain.action import Action, ActionKind
from observer.domain.cluster import Pod
from observer.domain.ids import Target, TargetKind
from observer.domain.incident import Incident
from observer.domain.suspect import Tier


class Effect(StrEnum):
    """
    What follows in the incident once the API server has accepted it.

    NOTHING: it was only told. EXPERIMENT: the callers' errors are compared without the target. RESTORED: an experiment
    is taken back. REPLACEMENT: something new comes in the target's place and is verified. ENDED: the incident is
    closed; what goes on is suspected anew.
    """

    NOTHING = "nothing"
    EXPERIMENT = "experiment"
    RESTORED = "restored"
    REPLACEMENT = "replacement"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a ClusterRole: an API group, its resources and the verbs."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fence:
    """One validation of the admission policy (CEL), with what a refusal says."""

    expression: str
    message: str


Diff = Callable[[Action, float], tuple[str, ...]]
"""The changes of the cluster, one a line, for an action and the longest time a drain may last (seconds)."""


def pod_itself(_incident: Incident, pod: Pod) -> Target:
    """The pod that is the culprit."""
    return Target.of(pod.ref)


def always(_incident: Incident, _pod: Pod | None) -> bool:
    """Nothing about the pod speaks against it."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpec:
    """
    One action.

    Attributes:
        kind: its id; decisions to do it have the same word as their kind.
        target: what it is done to; ``targets`` finds that for an incident and its culprit.
        summary: one sentence about what it does. ``done``, ``doing``, ``noun``: how sentences name it
            (``drained``, ``Draining``, ``drain``).
        harmful: it takes something from users or their workload: guards are asked, budgets count it, people may be
            asked to approve it. What is not harmful is never blocked.
        reversible: what it changed can be put back as it was; otherwise the attribution must be sure enough to remove.
        tier: how much evidence it needs.
        undo: the action that takes it back; None where there is none or nothing has to be.
        effect: what follows in the incident.
        first: it may begin an incident; others come after one that went before. ``suits`` says for which pods (None =
            the pod is not known), and the mildest that suits is taken.
        selectable: policies list it among their actions.
        labels: it writes or removes the drain label.
        keeps_evidence: pod object, events and logs are kept before it.
        diff: what it changes, for the person who approves it.
        event: reason of the Kubernetes Event once done, after ``Observer``; ``verb`` is its action there.
        role: name of the ClusterRole and of the admission policy, after ``observer-``; ``rules`` and ``fences`` are
            what they hold.
    """

    kind: ActionKind
    target: TargetKind = TargetKind.POD
    summary: str
    done: str
    doing: str
    noun: str
    harmful: bool
    reversible: bool
    tier: Tier
    undo: ActionKind | None = None
    effect: Effect
    first: bool = False
    selectable: bool = True
    labels: bool = False
    keeps_evidence: bool = False
    diff: Diff
    event: str
    verb: str
    role: str = ""
    rules: tuple[Rule, ...] = ()
    fences: tuple[Fence, ...] = ()
    targets: Callable[[Incident, Pod], Target] = pod_itself
    suits: Callable[[Incident, Pod | None], bool] = always

    @property
    def writes(self) -> bool:
        """It changes the cluster; whatever does not is only told."""
        return self.role != ""

    @property
    def runs(self) -> bool:
        """It lasts until another action takes it back, so charts show a span and not an instant."""
        return self.effect is Effect.EXPERIMENT


CEL_ENABLED: Final = (
    'has(namespaceObject.metadata.labels) && "observer.dev/enabled" in namespaceObject.metadata.labels && '
    'namespaceObject.metadata.labels["observer.dev/enabled"] == "true"'
)
"""The namespace is labelled for Observer."""
