"""The statistics of a drain: did the traffic leave, and did the callers' bad requests drop as predicted?"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from observer.domain.counts import FloatArray
from observer.domain.incident import Experiment
from observer.domain.outcome import DrainVerdict
from observer.domain.settings import EscalationSettings
from observer.domain.suspect import CallerTally, PodTally
from observer.engine.memory import Baseline

PRIOR_REQUESTS = 50.0
"""Weight, in requests, of what the pods themselves reported beside what the callers saw before the drain."""
HISTOGRAM_LAG = 5.0
"""Seconds: Envoy merges its histograms that often (``stats_flush_interval``), so latencies appear so much later."""
TINY = 1e-6
_GRID: FloatArray = np.unique(np.concatenate([np.geomspace(TINY, 0.5, 600), np.linspace(0.0, 1.0, 1001)[1:-1]]))


def bad_of(tally: CallerTally | PodTally, cut: int) -> float:
    """Requests that count as bad: errors, or those slower than the cut."""
    if cut < 0:
        return tally.errors
    return tally.bad_by_cut[cut] if cut < len(tally.bad_by_cut) else 0.0


def floor_rate(p0: float, requests: float, share: float) -> float:
    """The siblings' bad rate, not below what their number of requests can tell from zero."""
    peers = requests * (1.0 - share) / share if share > 0.0 else 0.0
    return max(p0, 0.5 / (peers + 1.0), TINY)


def own_share(tally: PodTally | None, service_requests: float, share: float) -> float | None:
    """
    The pod's requests in this tick as a part of its usual share (1 = as before); None when it cannot be told.

    ``service_requests`` are those of all pods behind the service in the same bins.
    """
    expected = share * service_requests
    if tally is None or expected <= 0.0:
        return None
    return tally.requests / expected


def effective_deadline(experiment: Experiment, baseline: Baseline, settings: EscalationSettings, tick: float) -> float:
    """
    When a drain whose traffic did not leave counts as not effective, Unix seconds.

    What is judged in a tick may be as old as two scrapes and a tick; that must lie behind the limit too.
    """
    older, newer = baseline.scrapes
    interval = newer - older if 0.0 < older < newer else tick
    return experiment.started + settings.effective_within + 2.0 * interval + tick


def clean_from(experiment: Experiment, baseline: Baseline) -> float:
    """
    From when on the callers' counts hold no request from before the traffic left, Unix seconds.

    Their scrapes lie up to an interval before the drained pod's own, and latencies appear later than requests.
    """
    older, newer = baseline.scrapes
    interval = newer - older if 0.0 < older < newer else 0.0
    return experiment.effective + interval + (HISTOGRAM_LAG if experiment.cut >= 0 else 0.0)


def log_odds(experiment: Experiment, baseline: Baseline) -> float:
    """
    ln of (dropped : stayed) for the callers' counts before and after the traffic left.

    The callers' rate before is not known exactly: both hypotheses choose the rate that suits them best, given the
    counts before and, with little weight, the rate that the pods' own figures predict. After the drain the rate is
    the same (stayed) or lower by at least ``share * (p1 - p0)`` (dropped); what else goes wrong at the callers stays
    in both.
    """
    drop = experiment.share * max(experiment.p1 - experiment.p0, 0.0)
    if experiment.requests <= 0.0 or drop <= 0.0:
        return 0.0
    predicted = min(max(experiment.p0 + drop, TINY), 1.0 - TINY)
    before = baseline.requests + PRIOR_REQUESTS
    before_bad = min(baseline.bad + PRIOR_REQUESTS * predicted, before)
    after, after_bad = experiment.requests, min(experiment.bad, experiment.requests)
    floor = min(max(experiment.p0, 0.5 / before), predicted)
    past = _loglik(before_bad, before, _GRID)
    stayed = past + _loglik(after_bad, after, _GRID)
    # Fewer bad requests than predicted are no sign that they stayed, least of all where hardly anything is known.
    most = np.clip(_GRID - drop, floor, None)
    dropped = past + _loglik(after_bad, after, np.minimum(most, after_bad / after))
    allowed = min(drop, _GRID[-1]) <= _GRID
    return float((np.max(dropped[allowed]) - np.max(stayed)) / max(experiment.dispersion, 1.0))


def visible(experiment: Experiment, baseline: Baseline) -> float:
    """
    ln of (the callers saw the pod's bad requests before the drain : they were hidden from them); 0 = nothing is known.

    A caller that asks again reports the last answer only. What it never saw cannot drop when the pod is drained, so
    that nothing dropped is no evidence then. What the pod and its siblings answered while the pod was only suspected is
    held against what the callers got as answers then: at least half of the pod's bad requests must be among them,
    beside all of the siblings'.
    """
    requests, drop = baseline.requests, experiment.share * max(experiment.p1 - experiment.p0, 0.0)
    if requests <= 0.0 or drop <= 0.0:
        return 0.0
    # A pod that had a quiet moment, by its own count, gave them nothing to see.
    rate = baseline.lately_bad / baseline.lately if baseline.lately > 0.0 else experiment.p1
    own = min(experiment.share * max(rate - experiment.p0, 0.0), drop)
    others = max(_peers_bad(experiment, baseline) / requests, 0.5 / (requests + 1.0))
    # A call that reached nobody is no answer of the pod.
    answered = baseline.bad - baseline.unreached if experiment.cut < 0 else baseline.bad
    answered = min(max(answered, 0.0), requests)
    rates = np.array([max(answered / requests, others + 0.5 * own), min(answered / requests, others)])
    seen, hidden = _loglik(answered, requests, rates).tolist()
    return float(seen - hidden) / max(experiment.dispersion, 1.0)


def _peers_bad(experiment: Experiment, baseline: Baseline) -> float:
    """What the siblings answered badly while the pod was only suspected; what the suspicion claims, if not counted."""
    if baseline.peer_requests <= 0.0:
        return experiment.p0 * (1.0 - experiment.share) * baseline.requests
    if experiment.cut < 0:
        return baseline.peer_errors
    slow = baseline.peer_slow
    return slow[experiment.cut] if experiment.cut < len(slow) else 0.0


def observe(experiment: Experiment, baseline: Baseline, tally: CallerTally) -> Experiment:
    """The experiment after one more tick of callers' counts."""
    counted = replace(
        experiment,
        requests=experiment.requests + tally.requests,
        bad=experiment.bad + bad_of(tally, experiment.cut),
    )
    return replace(counted, log_odds=log_odds(counted, baseline))


def judge(
    experiment: Experiment, baseline: Baseline, at: float, expires: float, settings: EscalationSettings
) -> DrainVerdict:
    """
    The verdict as of ``at``.

    ``cannot publish`` after the bounds (time and requests), when the callers were not seen for that time, or at expiry;
    what was hidden from them before did not drop, and only what they had seen acquits when it stays.
    """
    bound = math.log(settings.experiment_odds)
    shown = visible(experiment, baseline) if abs(experiment.log_odds) >= bound else 0.0
    if experiment.log_odds >= bound and shown > -bound:
        return DrainVerdict.DROPPED
    if experiment.log_odds <= -bound and shown >= bound:
        return DrainVerdict.NOT_DROPPED
    elapsed = at - experiment.effective
    enough = elapsed >= settings.experiment_seconds and experiment.requests >= settings.experiment_requests
    blind = at - max(baseline.seen, experiment.effective) > settings.experiment_seconds
    if enough or blind or at >= expires:
        return DrainVerdict.CANNOT_TELL
    return DrainVerdict.PENDING


def peers_worse(requests: float, bad: float, usual: float, ratio: float, excess: float) -> bool:
    """
    The siblings' bad rate in one tick jumped over what is usual: at least three bad requests, ``ratio`` times and
    ``excess`` (0..1) more than usual, and six nats of surprise.
    """
    if requests <= 0.0 or bad < 3.0:
        return False
    rate, usual = min(bad / requests, 1.0), min(max(usual, 1e-3), 0.999)
    return rate >= ratio * usual and rate >= usual + excess and requests * kullback(rate, usual) >= 6.0


def kullback(p: float, q: float) -> float:
    """Kullback-Leibler distance between two rates, nats a request."""
    first = p * math.log(p / q) if p > 0.0 else 0.0
    second = (1.0 - p) * math.log((1.0 - p) / (1.0 - q)) if p < 1.0 else 0.0
    return first + second


def _loglik(bad: float, requests: float, rate: FloatArray) -> FloatArray:
    p = np.clip(rate, TINY, 1.0 - TINY)
    result: FloatArray = bad * np.log(p) + (requests - bad) * np.log1p(-p)
    return result
