"""A blame as it is kept beside its incident: shortened, and with what a drain showed since."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Final

from observer.domain.attribution import Attribution, Cause, CauseKind, EvidenceLine, RankedCause
from observer.domain.cluster import ClusterView, Pod
from observer.engine.attribution.changes import revision_of
from observer.engine.attribution.contrast import MOST

_KEPT: Final = 6
"""Causes that are kept, UNKNOWN and the suspect not counted."""


def shortened(attribution: Attribution, always: Container[Cause] = ()) -> Attribution:
    """The likeliest causes and those in ``always``; what the others had goes to UNKNOWN, which then doubts more."""
    named = [one for one in attribution.ranked if one.cause.kind is not CauseKind.UNKNOWN]
    kept = [one for rank, one in enumerate(named) if rank < _KEPT or one.cause in always]
    rest = 1.0 - math.fsum(one.probability for one in kept)
    return replace(attribution, ranked=_ranked(_short(one, rest) for one in attribution.ranked if _stays(one, kept)))


def with_drain(attribution: Attribution, pod: Pod, cluster: ClusterView, log_odds: float) -> Attribution:
    """
    The blame after the drain of ``pod``, whose odds for a drop were ``log_odds`` nats.

    A drop speaks for the pod and for every group it is in (on a bad node it would be seen as well), against all else.
    """
    node = cluster.nodes.get(pod.node)
    score = max(min(log_odds, MOST), -MOST)
    line = EvidenceLine("drain", score, "its callers' bad requests dropped while it was drained")

    def removed(cause: Cause) -> bool:
        match cause.kind:
            case CauseKind.POD:
                return cause.pod == pod.ref
            case CauseKind.REVISION:
                return cause.service == pod.service and cause.name == revision_of(pod)
            case CauseKind.NODE:
                return cause.name == pod.node
            case CauseKind.ZONE:
                return node is not None and cause.name == node.zone
            case _:
                return False

    seen = [
        replace(one, score=one.score + score, lines=(line, *one.lines)) if removed(one.cause) else one
        for one in attribution.ranked
    ]
    top = max(one.score for one in seen)
    whole = math.fsum(math.exp(one.score - top) for one in seen)
    return replace(
        attribution, ranked=_ranked(replace(one, probability=math.exp(one.score - top) / whole) for one in seen)
    )


def _stays(one: RankedCause, kept: list[RankedCause]) -> bool:
    return one.cause.kind is CauseKind.UNKNOWN or one in kept


def _short(one: RankedCause, rest: float) -> RankedCause:
    if one.cause.kind is not CauseKind.UNKNOWN or not one.probability < rest < 1.0:
        return one
    score = one.score + math.log(rest / one.probability) if one.probability > 0.0 else one.score
    return replace(one, probability=rest, score=score)


def _ranked(found: Iterable[RankedCause]) -> tuple[RankedCause, ...]:
    """Most probable first; what is as probable stays in the order that it had, milder first."""
    return tuple(sorted(found, key=lambda one: -one.probability))
