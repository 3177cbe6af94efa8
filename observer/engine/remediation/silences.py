"""Which alerts about a replaced pod may be silenced, and for how long: its own, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from observer.domain import names
from observer.domain.ids import PodRef

LONGEST_SECONDS: Final = 300.0
"""No silence outlives this, whoever asks."""

OBJECTIVE_LABELS: Final = (
    names.SLO_ID,
    names.BURN_TIER,
    "slo",
    "slo_name",
    "objective",
    "sloth_id",
    "sloth_slo",
    "sloth_service",
    "exhaustion",
    "long_burnrate_window",
)
"""An alert that carries one of these speaks of an objective (of Observer, Sloth, Pyrra, OpenSLO generators)."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """
    One condition on a label, whose value must be ``value`` or, with ``begins``, begin with it; ``equal`` False = must
    not. A label that is missing counts as empty; with ``absent`` an empty one meets it, too.
    """

    name: str
    value: str
    equal: bool = True
    begins: bool = False
    absent: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels meets it."""
        value = labels.get(self.name, "")
        if self.absent and not value:
            return True
        return (value.startswith(self.value) if self.begins else value == self.value) is self.equal


def silence_matchers(pod: PodRef, cluster: str = "") -> tuple[Matcher, ...]:
    """
    What a silence for this pod consists of: exactly its namespace and name, and none of the labels or names by which
    objectives' alerts and Observer's own are known.

    ``cluster``: the name of this cluster; an alert that names another is another pod's. One that names none is taken
    for this cluster's, since an Alertmanager of one cluster has no other.
    """
    return (
        Matcher("namespace", pod.namespace),
        Matcher("pod", pod.name),
        *((Matcher(names.CLUSTER, cluster, absent=True),) if cluster else ()),
        *(Matcher(name, "") for name in (*OBJECTIVE_LABELS, names.ALERT_INCIDENT)),
        Matcher("alertname", names.OUR_ALERTS, equal=False, begins=True),
    )


def may_silence(labels: Mapping[str, str], pod: PodRef, cluster: str = "") -> bool:
    """Whether an alert with these labels is the pod's own and neither an objective's nor one of Observer's."""
    named = bool(pod.namespace and pod.name)
    return named and all(matcher.matches(labels) for matcher in silence_matchers(pod, cluster))


def silence_seconds(wanted: float) -> float:
    """How long a silence lasts, seconds: what was wanted within (0, 300]. Raises: ValueError for what is no time."""
    if not wanted > 0.0:
        raise ValueError(f"a silence of {wanted:g} s is none")
    return min(wanted, LONGEST_SECONDS)
