"""DRAIN: take a pod out of its callers' traffic by Istio's draining label, for a bounded time; it is an experiment."""

from __future__ import annotations

from observer.actions.model import ActionSpec, Effect, Fence, Rule
from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.cluster import Pod
from observer.domain.incident import Incident
from observer.domain.suspect import Tier

LABEL = f'metadata.labels["{names.DRAIN_LABEL}"]'
NOTE = f'metadata.annotations["{names.DRAIN_ANNOTATION}"]'


def diff(action: Action, seconds: float) -> tuple[str, ...]:
    lasts = f"incident {action.incident}, restored after {seconds:g} s at the latest"
    return (f"~ {action.target.title}", f'+ {LABEL}: "{names.DRAIN_VALUE}"', f"+ {NOTE}: {lasts}")


def suits(_incident: Incident, pod: Pod | None) -> bool:
    """The label moves traffic only where sidecars balance it: not without one, not at the mesh's border."""
    return pod is None or (pod.sidecar and not pod.gateway)


def only(field: str, key: str) -> str:
    """CEL: of a map of the object nothing but one key changes."""
    old = f"old{field.capitalize()}"
    return (
        f'variables.{field}.all(k, k == "{key}" || '
        f"(k in variables.{old} && variables.{old}[k] == variables.{field}[k])) && "
        f'variables.{old}.all(k, k == "{key}" || k in variables.{field})'
    )


SPEC = ActionSpec(
    kind=ActionKind.DRAIN,
    summary="Takes the pod out of its callers' traffic by a label with an expiry.",
    done="drained",
    doing="Draining",
    noun="drain",
    harmful=True,
    reversible=True,
    tier=Tier.DRAIN,
    undo=ActionKind.RESTORE,
    effect=Effect.EXPERIMENT,
    first=True,
    suits=suits,
    labels=True,
    diff=diff,
    event="Drained",
    verb="Drain",
    role="drain",
    rules=(Rule("", ("pods",), ("patch",)),),
    fences=(
        Fence("object.spec == oldObject.spec", "Observer must not change the spec of a pod"),
        Fence(only("labels", names.DRAIN_LABEL), f"Observer must not change any label but {names.DRAIN_LABEL}"),
        Fence(
            only("notes", names.DRAIN_ANNOTATION),
            f"Observer must not change any annotation but {names.DRAIN_ANNOTATION}",
        ),
        Fence(
            f'variables.enabled || !("{names.DRAIN_LABEL}" in variables.labels) || '
            f'"{names.DRAIN_LABEL}" in variables.oldLabels',
            f"Observer drains only in namespaces labelled {names.NAMESPACE_ENABLED}=true",
        ),
    ),
)
