"""
Pods whose sidecar went silent while callers lose requests that they did not lose before.

Lost calls are counted in three stretches: usually (ten minutes, well before), earlier (a minute, nearer to the silence)
and since the silence began. The usual rate is not known exactly: what was usual makes a gamma posterior of it
(Jeffreys' prior), which is integrated out below. With few calls before, no number of lost ones is much of a surprise;
an unknown past is no evidence.

A frozen proxy answers neither scrapes nor calls. Its callers see resets and timeouts, but not whose they are: without
a name nobody is acted on, the service is told to people with the silent pod as the candidate. A scrape that broke
where calls get lost all the time is no such pod: it is told only when the losses began with the silence.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray
from observer.domain.graph import CallGraph, Reach
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Culprit, CulpritKind, Suppression
from observer.engine.detect.comparison_groups import ComparisonGroups
from observer.engine.detect.counters import Increments
from observer.engine.messages.wording import percent

_LEAST_EFFECT_SIZE: Final = 4.0
_DRIFT: Final = (1.0, 1.5, 2.0)
"""Up to twice as many as usual are a bad hour; a pod that answers nobody loses many times as many, at least four."""
_TWO_ACCIDENTS: Final = 1.0 / 20.0
"""Weight of "something else began to lose calls minutes before, and then the scrape broke" beside the broken scrape."""
_JEFFREYS: Final = 0.5
_MEMORY: Final = 30.0
"""Seconds in which older calls fade to a third."""
_NOTHING: Final = Reach(0.0, 0.0)
FEWEST_TICKS: Final = 3
"""Where calls get lost all the time they may come in bursts: one or two bursts are no change."""


@dataclass(frozen=True, slots=True)
class Losses:
    """
    Calls towards the service of one silent pod.

    Attributes:
        usual, earlier: before the silence; None = not known (yet).
        since: counted since the silence was noticed; ticks: in how many ticks some of them got lost.
        recent: the same, fading.
    """

    usual: Reach | None = None
    earlier: Reach | None = None
    since: Reach = field(default=_NOTHING)
    ticks: int = 0
    recent: Reach = field(default=_NOTHING)

    def known(self, graphs: tuple[CallGraph | None, CallGraph | None], service: ServiceRef, silent: float) -> Losses:
        """With what ``(usual, earlier)`` graphs tell that ended before the silence; what is known already stays."""
        usual, earlier = (
            graph.reached.get(service) if graph is not None and graph.at <= silent else None for graph in graphs
        )
        return replace(self, usual=self.usual or usual, earlier=self.earlier or earlier)

    def plus(self, new: Reach, seconds: float) -> Losses:
        """With the calls of one more tick of so many seconds."""
        part = math.exp(-seconds / _MEMORY)
        return replace(
            self,
            since=Reach(self.since.calls + new.calls, self.since.lost + new.lost),
            recent=Reach(self.recent.calls * part + new.calls, self.recent.lost * part + new.lost),
            ticks=self.ticks + (new.lost > 0.0),
        )

    @property
    def bursts(self) -> bool:
        """All that was lost since may be one or two of the bursts in which calls get lost here anyway."""
        before = (self.usual or _NOTHING).lost + (self.earlier or _NOTHING).lost
        return before > 0.0 and self.ticks < FEWEST_TICKS


def followed(
    retained: Mapping[PodRef, Losses],
    silent: Mapping[PodRef, float],
    services: Mapping[PodRef, ServiceRef],
    snapshot: Snapshot,
    new: Mapping[ServiceRef, Reach],
    seconds: float,
) -> dict[PodRef, Losses]:
    """
    The losses of each pod of ``services`` after one more tick.

    ``silent``: since when each pod is silent; ``new``: the calls of this tick, of so many ``seconds``. A silence that
    began before we looked has no stretch before it: it stays unknown.
    """
    graphs = (snapshot.usual_edges, snapshot.earlier_edges)
    return {
        pod: retained.get(pod, Losses()).known(graphs, service, silent[pod]).plus(new.get(service, _NOTHING), seconds)
        for pod, service in services.items()
    }


def log_odds(losses: Losses, effect_sizes: Iterable[float]) -> float:
    """
    ln of (the losses began with the silence : they did not).

    Against it stand "lost about as usual" (the best of its rates) and, as two accidents, "lost more since some
    minutes before the silence". How much more is lost is not known: a mean over ``effect_sizes``, for the silent
    pod those of at least four. Against each usual rate this is an e-process in what is counted since, so that it
    may be looked at every tick. 0 while the minutes before the silence are unknown: the losses may have begun
    there.
    """
    every = tuple(effect_sizes)
    chosen = [effect_size for effect_size in every if effect_size >= _LEAST_EFFECT_SIZE]
    if not chosen or losses.earlier is None or losses.since.calls <= 0.0:
        return 0.0
    began = _mean([_marginal(losses, 1.0, effect_size) for effect_size in chosen])
    before = _mean([_marginal(losses, effect_size, effect_size) for effect_size in every])
    usual = max(_marginal(losses, 1.0, drift) for drift in _DRIFT)
    return began - _sum([usual, before + math.log(_TWO_ACCIDENTS)])


def _marginal(losses: Losses, earlier_effect: float, since_effect: float) -> float:
    """ln of the likelihood, up to a constant, with the usual rate integrated out; effect sizes multiply the rate."""
    usual, earlier, since = losses.usual or _NOTHING, losses.earlier or _NOTHING, losses.since
    events = _JEFFREYS + usual.lost + earlier.lost + since.lost
    exposed = usual.calls + earlier_effect * earlier.calls + since_effect * since.calls
    return earlier.lost * math.log(earlier_effect) + since.lost * math.log(since_effect) - events * math.log(exposed)


def _sum(logs: list[float]) -> float:
    most = max(logs)
    return most + math.log(math.fsum(math.exp(log - most) for log in logs))


def _mean(logs: list[float]) -> float:
    return _sum(logs) - math.log(len(logs))


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
    comparison: ComparisonGroups, new: Increments, scraped_once: BoolArray, before: Mapping[PodRef, float], at: float
) -> dict[PodRef, float]:
    """
    Ready pods that were scraped once and are not now, with the last scrape, or when it was noticed if that is unknown.

    ``scraped_once``: shape (N,), was scraped at some time.
    """
    chosen = np.flatnonzero(~new.up & scraped_once & comparison.ready).tolist()
    last = {comparison.refs[i]: float(new.scraped[i]) for i in chosen}
    return {pod: before.get(pod, at if math.isnan(when) else when) for pod, when in last.items()}


def lonely(comparison: ComparisonGroups, silent: Mapping[PodRef, float], up: BoolArray) -> dict[ServiceRef, PodRef]:
    """Services where exactly one peer is silent while others answer."""
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
    Services with a silent peer towards which calls get lost lately, and did not before the silence.

    ``standing``: what was told in the last tick, by service and reason.
    """
    result = []
    for service, pod in lone.items():
        losses_of_pod, since = losses[pod], silent[pod]
        retained = _KEEPS if (service, Reason.UNREACHED) in standing else 1.0
        if losses_of_pod.recent.lost < retained * max(LOST, _PART * losses_of_pod.recent.calls):
            continue
        if losses_of_pod.bursts or log_odds(losses_of_pod, effect_sizes) <= math.log(_ODDS):
            continue
        lost = f"{losses_of_pod.recent.lost:.0f} requests{_usually(losses_of_pod)}"
        detail = (
            f"the sidecar of {pod} has been silent for {at - since:.0f} s and callers lost {lost}: "
            "it is not certain that they were meant for it"
        )
        cause = Culprit(CulpritKind.POD, pod.namespace, pod.name, service, pod)
        result.append(Suppression(service, Reason.UNREACHED, detail, cause, since))
    return tuple(result)


def _usually(losses: Losses) -> str:
    """How much is lost usually; a past without a lost call says nothing more."""
    before = losses.usual or losses.earlier
    if before is None or before.lost <= 0.0 or losses.since.calls <= 0.0:
        return ""
    return f" ({percent(losses.since.lost / losses.since.calls)} of all, {percent(before.lost / before.calls)} before)"
