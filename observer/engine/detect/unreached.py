"""
Pods whose sidecar went silent while callers lose requests that they did not lose before.

A frozen proxy answers neither scrapes nor calls. Its callers see resets and timeouts, but not whose they are: without
a name nobody is acted on, the service is told to people with the silent pod as the candidate. A scrape that broke
where calls get lost all the time is no such pod: it is told only when the losses began with the silence.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.suspect import Culprit, CulpritKind, Suppression
from observer.engine.detect.counters import Increments
from observer.engine.detect.losses import Losses, log_odds
from observer.engine.detect.roster import ComparisonGroups

LOST: Final = 1.5
_PART: Final = 0.0005
"""
So many calls that reached nobody, and so large a part of all, lately, make a silent sidecar a finding, if they are more
than usual. Little is enough: retries save nearly all calls, and a Ready pod whose sidecar alone is silent is rare by
itself.
"""
_KEEPS: Final = 0.5
"""What was told stays told while half as many get lost: calls that are lost seldom come and go."""
_ODDS: Final = 20.0
"""So many times likelier that the losses began with the silence than that they did not."""


def silent_pods(
    comparison: ComparisonGroups, new: Increments, known: BoolArray, before: Mapping[PodRef, float], at: float
) -> dict[PodRef, float]:
    """
    Ready pods that were scraped once and are not now, with the last scrape, or when it was noticed if that is unknown.

    ``known``: shape (N,), was scraped at some time.
    """
    chosen = np.flatnonzero(~new.up & known & comparison.ready).tolist()
    last = {comparison.refs[i]: float(new.scraped[i]) for i in chosen}
    return {pod: before.get(pod, at if math.isnan(when) else when) for pod, when in last.items()}


def lonely(comparison: ComparisonGroups, silent: Mapping[PodRef, float], up: BoolArray) -> dict[ServiceRef, PodRef]:
    """Services where exactly one sibling is silent while others answer."""
    by_service: dict[int, list[PodRef]] = {}
    for pod in silent:
        by_service.setdefault(int(comparison.service_of[comparison.position[pod]]), []).append(pod)
    return {
        comparison.services[service]: pods[0]
        for service, pods in sorted(by_service.items())
        if len(pods) == 1 and bool(up[comparison.peers(service)].any())
    }


def unreached(
    lone: Mapping[ServiceRef, PodRef],
    losses: Mapping[PodRef, Losses],
    silent: Mapping[PodRef, float],
    standing: Container[tuple[ServiceRef, str]],
    effect_sizes: tuple[float, ...],
    at: float,
) -> tuple[Suppression, ...]:
    """
    Services with a silent sibling towards which calls get lost lately, and did not before the silence.

    ``standing``: what was told in the last tick, by service and reason.
    """
    found = []
    for service, pod in lone.items():
        seen, since = losses[pod], silent[pod]
        kept = _KEEPS if (service, Reason.UNREACHED) in standing else 1.0
        if seen.lately.lost < kept * max(LOST, _PART * seen.lately.calls):
            continue
        if seen.bursts or log_odds(seen, effect_sizes) <= math.log(_ODDS):
            continue
        lost = f"{seen.lately.lost:.0f} requests{_usually(seen)}"
        detail = (
            f"the sidecar of {pod} has been silent for {at - since:.0f} s and callers lost {lost}: "
            "nobody can tell for sure that they were meant for it"
        )
        blamed = Culprit(CulpritKind.POD, pod.namespace, pod.name, service, pod)
        found.append(Suppression(service, Reason.UNREACHED, detail, blamed, since))
    return tuple(found)


def _usually(seen: Losses) -> str:
    """How much is lost usually; a past without a lost call says nothing more."""
    before = seen.usual or seen.earlier
    if before is None or before.lost <= 0.0 or seen.since.calls <= 0.0:
        return ""
    return f" ({seen.since.lost / seen.since.calls:.2%} of all, {before.lost / before.calls:.2%} before)"
