"""
The evidence once more, from the last minutes asked again by caller, with flags and every latency bucket.

One caller's storm must not convict a pod: where several workloads call it, each may add only so much a bin. A second
look that is missing or does not cover the peers confirms nothing; it never raises what was gathered before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.counts import FloatArray, RequestClass, SeriesHistory
from observer.domain.settings import DetectionSettings
from observer.engine.detect.peer_test import likelihood

Key = tuple[str, str]
_MOST: Final = 1e26


@dataclass(frozen=True, slots=True, eq=False)
class Recheck:
    """
    A service's last minutes in bins, counted back from the newest.

    Attributes:
        own: by pod, shape (X, callers, bins, 2): requests and bad ones of each stream (errors, or a latency cut).
        everyone: the same of all peers. cuts: for latency the cut of each stream, milliseconds.
    """

    own: Mapping[Key, FloatArray]
    everyone: FloatArray
    cuts: tuple[float, ...] = ()

    def acting_score(
        self, members: Iterable[Key], dispersion: Sequence[float], settings: DetectionSettings
    ) -> float | None:
        """
        Score against ``members`` (one pod, or the pods of a group) over the acting effect sizes, mixed over the
        streams.

        ``dispersion`` has one entry a stream. None when the answer does not cover the members.
        """
        counted = [self.own[member] for member in members if member in self.own]
        if not counted or not len(self.everyone):
            return None
        own: FloatArray = np.sum(counted, axis=0)
        effect_sizes = np.array(
            [effect_size for effect_size in settings.effect_sizes if effect_size >= settings.acting_effect_size]
        )
        levels = [
            _level(own[stream], self.everyone[stream], effect_sizes, factor, settings)
            for stream, factor in enumerate(dispersion)
        ]
        mean = float(np.mean(levels))
        return float(np.log(mean)) if mean > 0.0 else -np.inf


def recheck_errors(histories: Sequence[SeriesHistory], peers: frozenset[Key], width: float) -> Recheck:
    """The errors; ``width`` is the bin in seconds, at least as long as the scrape interval."""
    chosen = [history for history in histories if history.pod in peers]
    counted = []
    for history in chosen:
        ok, bad = _grown(history.requests[:, : RequestClass.ERROR + 1]).T
        counted.append(np.stack([ok + bad, bad], axis=1)[None])
    return _binned(chosen, counted, width, ())


def recheck_latency(
    histories: Sequence[SeriesHistory], warm: Mapping[Key, float], width: float, least: float
) -> Recheck | None:
    """
    Requests slower than each bucket's bound of at least ``least`` milliseconds; ``warm`` tells the peers and the
    instant (Unix seconds) from which each is compared.

    Bounds that all or none of the peers' requests are slower than say nothing and are left out: which they are is
    the same for all peers. None when somebody's buckets are missing or none is left.
    """
    chosen = [history for history in histories if history.pod in warm]
    if not chosen or any(not history.bounds for history in chosen):
        return None
    shared = sorted(frozenset.intersection(*(frozenset(history.bounds) for history in chosen)))
    bounds = tuple(bound for bound in shared if bound >= least) or tuple(shared[-1:])
    if not bounds:
        return None
    counted = []
    for history in chosen:
        columns = [history.bounds.index(bound) for bound in bounds]
        grown = _grown(history.buckets[:, [*columns, -1]])
        grown[history.times[:-1] < warm[history.pod]] = 0.0
        slow = np.maximum(grown[:, -1:] - grown[:, :-1], 0.0)
        counted.append(np.stack([np.broadcast_to(grown[:, -1:], slow.shape), slow], axis=2).transpose(1, 0, 2))
    again = _binned(chosen, counted, width, bounds)
    total, bad = again.everyone.sum(axis=(1, 2)).T
    informative = np.flatnonzero((bad > 0.0) & (bad < total))
    if not len(informative):
        return Recheck({pod: own[:1] for pod, own in again.own.items()}, again.everyone[:1], bounds[:1])
    retained = tuple(bounds[i] for i in informative.tolist())
    return Recheck({pod: own[informative] for pod, own in again.own.items()}, again.everyone[informative], retained)


def covers(histories: Sequence[SeriesHistory], wanted: frozenset[Key], share: float) -> bool:
    """Whether so large a share of the wanted pods is in the answer."""
    there = {history.pod for history in histories if not np.isnan(history.requests[-1:]).all()}
    return len(wanted & there) >= share * len(wanted)


def errors_by_caller(histories: Sequence[SeriesHistory], pod: Key) -> tuple[dict[str, float], dict[str, float]]:
    """The pod's errors in the answer's time by calling workload and by response flags, most first."""
    callers: dict[str, float] = {}
    flags: dict[str, float] = {}
    for history in histories:
        if history.pod == pod:
            column = history.requests[:, RequestClass.ERROR : RequestClass.ERROR + 1]
            callers[history.caller] = callers.get(history.caller, 0.0) + float(_grown(column).sum())
            for flag, counters in history.flags.items():
                flags[flag] = flags.get(flag, 0.0) + float(_grown(counters[:, None]).sum())
    return _most_first(callers), _most_first(flags)


def _most_first(counts: Mapping[str, float]) -> dict[str, float]:
    return {name: count for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > 0.0}


def _binned(
    chosen: Sequence[SeriesHistory], counted: Sequence[FloatArray], width: float, cuts: tuple[float, ...]
) -> Recheck:
    """``counted``: shape (X, T - 1, 2) for each history."""
    streams = counted[0].shape[0] if counted else 0
    if not streams:
        return Recheck({}, np.zeros((0, 0, 0, 2)))
    callers = {name: place for place, name in enumerate(sorted({history.caller for history in chosen}))}
    end = max(float(history.times[-1]) for history in chosen)
    begin = min(float(history.times[0]) for history in chosen)
    bins = int((end - begin) // width) + 1
    shape = (streams, len(callers), bins, 2)
    own: dict[Key, FloatArray] = {}
    for history, counts in zip(chosen, counted, strict=True):
        table = own.setdefault(history.pod, np.zeros(shape))
        # Bins are counted back from the end, so that the newest one is whole.
        bin_of = bins - 1 - ((end - history.times[1:]) / width).astype(np.int64)
        np.add.at(table[:, callers[history.caller]].swapaxes(0, 1), bin_of, counts.swapaxes(0, 1))
    everyone: FloatArray = np.sum(list(own.values()), axis=0)
    return Recheck(own, everyone, cuts)


def _level(
    own: FloatArray, everyone: FloatArray, effect_sizes: FloatArray, dispersion: float, settings: DetectionSettings
) -> float:
    """The mean over the effect sizes of one stream's processes; ``own``, ``everyone``: shape (callers, bins, 2)."""
    total, bad, all_total, all_bad = own[:, :, 0], own[:, :, 1], everyone[:, :, 0], everyone[:, :, 1]
    informative = (all_bad > 0.0) & (total > 0.0) & (total < all_total)
    caller, place = np.nonzero(informative)
    steps = np.zeros((*informative.shape, len(effect_sizes)))
    if len(caller):
        own_bad, two, three, four = (column[caller, place] for column in (bad, total, all_bad, all_total))
        steps[caller, place] = likelihood(own_bad, two, three, four, effect_sizes=effect_sizes) / dispersion
    several = (total.sum(axis=1) > 0.0).sum() > 1
    if several:
        steps = np.minimum(steps, settings.caller_cap)
    summed = np.minimum(steps.sum(axis=0), settings.bin_cap)
    mixture = np.zeros(len(effect_sizes))
    for step in np.flatnonzero(informative.any(axis=0)):
        mixture = np.minimum((1.0 + mixture) * np.exp(summed[step]), _MOST)
    return float(mixture.mean())


def _grown(counters: FloatArray) -> FloatArray:
    """Increments of cumulative columns between instants, shape (T - 1, columns); 0 where one of them is in doubt."""
    change: FloatArray = np.diff(counters, axis=0)
    doubtful = ~np.isfinite(change).all(axis=1) | (change < 0.0).any(axis=1)
    change[doubtful] = 0.0
    return change
