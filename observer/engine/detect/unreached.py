"""
Pods whose sidecar went silent while callers lose requests.

A frozen proxy answers neither scrapes nor calls. Its callers see resets and timeouts, but not whose they are: without
a name nobody is acted on, the service is told to people with the silent pod as the candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.suspect import Culprit, CulpritKind, Suppression
from observer.engine.detect.callers import Calls, Edge
from observer.engine.detect.roster import Roster

LOST: Final = 1.5
_PART: Final = 0.0005
"""
So many calls that reached nobody, and so large a part of all, lately, make a silent sidecar a finding. Little is
enough: retries save nearly all calls, and a Ready pod whose sidecar alone is silent is rare by itself.
"""


def silent_pods(
    roster: Roster, up: BoolArray, known: BoolArray, before: Mapping[PodRef, float], at: float
) -> dict[PodRef, float]:
    """
    Ready pods that were scraped once and are not now, with the instant since when.

    ``up``: shape (N,), scraped lately; ``known``: shape (N,), was scraped at some time.
    """
    chosen = np.flatnonzero(~up & known & roster.ready)
    return {roster.refs[i]: before.get(roster.refs[i], at) for i in chosen.tolist()}


def lonely(roster: Roster, silent: Mapping[PodRef, float], up: BoolArray) -> dict[ServiceRef, PodRef]:
    """Services where exactly one sibling is silent while others answer."""
    by_service: dict[int, list[PodRef]] = {}
    for pod in silent:
        by_service.setdefault(int(roster.service_of[roster.position[pod]]), []).append(pod)
    return {
        roster.services[service]: pods[0]
        for service, pods in sorted(by_service.items())
        if len(pods) == 1 and bool(up[roster.siblings(service)].any())
    }


def unreached(
    lone: Mapping[ServiceRef, PodRef], edges: Mapping[Edge, Calls], silent: Mapping[PodRef, float], at: float
) -> tuple[Suppression, ...]:
    """Services with a silent sibling towards which calls get lost."""
    found = []
    for service, pod in lone.items():
        towards = [calls for (_, called), calls in edges.items() if called == service]
        lost = sum(calls.lost for calls in towards)
        if lost < max(LOST, _PART * sum(calls.requests for calls in towards)):
            continue
        since = silent[pod]
        detail = (
            f"the sidecar of {pod} has been silent for {at - since:.0f} s and callers lost {lost:.0f} requests: "
            "nobody can tell for sure that they were meant for it"
        )
        blamed = Culprit(CulpritKind.POD, pod.namespace, pod.name, service, pod)
        found.append(Suppression(service, "unreached", detail, blamed, since))
    return tuple(found)
