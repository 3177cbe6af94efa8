"""
The evidence once more, from the last minutes asked again by caller.

One caller's storm must not convict a pod: where several workloads call it, each may add only so much a bin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from observer.domain.counts import FloatArray, SeriesHistory
from observer.domain.settings import DetectionSettings
from observer.engine.detect.sibling import likelihood

Key = tuple[str, str]


def acting_nats(
    histories: Sequence[SeriesHistory],
    members: frozenset[Key],
    siblings: frozenset[Key],
    *,
    width: float,
    dispersion: float,
    settings: DetectionSettings,
) -> float | None:
    """
    Nats against ``members`` (one pod, or the pods of a group) among ``siblings``, over the acting tilts.

    ``width`` is the bin, seconds, at least as long as the scrape interval. None when the answer does not cover the
    members.
    """
    if not any(one.pod in members for one in histories):
        return None
    tilts = np.array([tilt for tilt in settings.tilts if tilt >= settings.acting_tilt])
    callers = sorted({one.caller for one in histories if one.pod in siblings})
    end = max(float(one.times[-1]) for one in histories)
    begin = min(float(one.times[0]) for one in histories)
    bins = int((end - begin) // width) + 1
    own = np.zeros((len(callers), bins, 2))
    everyone = np.zeros((len(callers), bins, 2))
    for one in histories:
        if one.pod not in siblings:
            continue
        place, grown = callers.index(one.caller), _grown(one.requests)
        # Bins are counted back from the end, so that the newest one is whole.
        bin_of = bins - 1 - ((end - one.times[1:]) / width).astype(np.int64)
        np.add.at(everyone[place], bin_of, grown)
        if one.pod in members:
            np.add.at(own[place], bin_of, grown)
    return _weighed(own, everyone, tilts, dispersion, settings)


def _weighed(
    own: FloatArray, everyone: FloatArray, tilts: FloatArray, dispersion: float, settings: DetectionSettings
) -> float:
    total, all_total, bad, all_bad = own.sum(axis=2), everyone.sum(axis=2), own[:, :, 1], everyone[:, :, 1]
    telling = (all_bad > 0.0) & (total > 0.0) & (total < all_total)
    caller, place = np.nonzero(telling)
    steps = np.zeros((*telling.shape, len(tilts)))
    if len(caller):
        one, two, three, four = (column[caller, place] for column in (bad, total, all_bad, all_total))
        steps[caller, place] = likelihood(one, two, three, four, tilts=tilts) / dispersion
    several = (total.sum(axis=1) > 0.0).sum() > 1
    if several:
        steps = np.minimum(steps, settings.caller_cap)
    summed = np.minimum(steps.sum(axis=0), settings.bin_cap)
    clock = telling.any(axis=0)
    mixture = np.zeros(len(tilts))
    for step in np.flatnonzero(clock):
        mixture = np.minimum((1.0 + mixture) * np.exp(summed[step]), 1e26)
    mean = float(mixture.mean())
    return float(np.log(mean)) if mean > 0.0 else -np.inf


def _grown(requests: FloatArray) -> FloatArray:
    """Increments of ok and error between instants, shape (T - 1, 2); 0 where they are in doubt."""
    counts = requests[:, :2]
    change = np.diff(counts, axis=0)
    doubtful = ~np.isfinite(change).all(axis=1) | (change < 0.0).any(axis=1)
    change[doubtful] = 0.0
    result: FloatArray = change
    return result
