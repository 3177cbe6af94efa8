"""Rows with enough evidence -> suspects with their figures, tier and ceiling."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from observer.domain.cluster import ClusterView
from observer.domain.counts import FloatArray
from observer.domain.ids import PodRef
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Culprit, CulpritKind, Evidence, Suppression, Suspect, Symptom, Tier
from observer.engine.detect import history, recheck
from observer.engine.detect.comparison_groups import Contest, contest, pods_of, tie
from observer.engine.detect.peer_test import likelihood
from observer.engine.detect.state import DetectorState
from observer.engine.detect.tiers import Strength, tier_of, tier_scores
from observer.engine.slo.impact import impact

_NO_CEILING = (Tier.EVICT, Reason.NONE)
_CHOSEN = 1.0
"""Score that a stretch gains by beginning where it suits it; beside it stands the choice among so many services."""
UNCONFIRMED = frozenset({Reason.NO_RECHECK, Reason.NO_HISTORY})
"""Ceilings that stand for an answer that is missing."""


class Candidates:
    """Judges the rows of one tick."""

    def __init__(
        self, state: DetectorState, snapshot: Snapshot, cluster: ClusterView, settings: EngineSettings, force: Strength
    ) -> None:
        self._state, self._snapshot, self._cluster = state, snapshot, cluster
        self._settings, self._needs, self._force = settings, tier_scores(settings), force
        suspected = force.doubted(self._needs[Tier.ANNOTATE])[: len(state.comparison.refs)]
        self._suspected = frozenset(np.flatnonzero(suspected).tolist())
        cap = settings.detection.overdispersion_cap
        self._overdispersion = {
            Symptom.ERRORS: state.errors.overdispersion(state.comparison, cap),
            Symptom.LATENCY: state.latency.overdispersion(state.comparison, cap),
        }
        self._busy = state.minute.totals()[0] > 0.0
        self._second: dict[tuple[int, Symptom], recheck.Recheck | None] = {}

    def suspects(self) -> list[Suspect]:
        """Everybody who reached the annotate tier, strongest first."""
        strongest: dict[object, Suspect] = {}
        for symptom in (Symptom.ERRORS, Symptom.LATENCY):
            score, _ = self._force.of(symptom)
            rows = np.flatnonzero(score >= self._needs[Tier.ANNOTATE]).tolist()
            weigh = partial(self._uncapped, symptom)
            outcome = contest(self._state.comparison, rows, weigh, self._settings.detection.group_margin)
            for row in outcome.winners:
                suspect = self._suspect(row, symptom, outcome)
                rival = strongest.get(suspect.culprit)
                if rival is None or _rank(suspect) < _rank(rival):
                    strongest[suspect.culprit] = suspect
        return sorted(strongest.values(), key=_rank)

    def _suspect(self, row: int, symptom: Symptom, outcome: Contest) -> Suspect:
        comparison = self._state.comparison
        evidence = self._evidence(row, symptom)
        culprit = comparison.culprit(row)
        also = tuple(comparison.culprit(member) for member in outcome.beaten.get(row, ())[:20])
        acts, reason = self._acts(row, evidence)
        # What nobody could confirm today is told, whatever was gathered.
        tier = tier_of(acts, self._needs) if reason not in UNCONFIRMED else Tier.ANNOTATE
        tier = max(tier, Tier.ANNOTATE) if tier is Tier.NONE or tier < Tier.DRAIN else tier
        ceiling, why = _NO_CEILING
        if culprit.kind is CulpritKind.POD:
            tier = min(tier, Tier.EVICT)
            place = tie(
                comparison, row, self._suspected - {row}, self._cluster, self._snapshot.at, self._settings.detection
            )
            if place is not None:
                ceiling, why, also = Tier.DRAIN, place[0], (place[1], *also)
            elif row in outcome.near:
                ceiling, why, also = Tier.DRAIN, Reason.TIE_GROUP, (comparison.culprit(outcome.near[row]), *also)
        else:
            ceiling, why = Tier.ANNOTATE, Reason(f"{culprit.kind.value}_named")
        if reason:
            ceiling, why = Tier.ANNOTATE, reason
        objectives = self._snapshot.objectives.get(culprit.service, ()) if culprit.service is not None else ()
        hurts, text = impact(evidence, self._settings.impact, objectives)
        return Suspect(culprit, evidence, tier, ceiling, why, hurts, text, also)

    def _acts(self, row: int, evidence: Evidence) -> tuple[float, Reason]:
        """Score that may be acted on, and why they may not."""
        acts = evidence.acting_score
        comparison = self._state.comparison
        if row >= len(comparison.refs):
            return acts, Reason.NONE
        service = int(comparison.service_of[row])
        if len(comparison.peers(service)) == 1:
            return 0.0, Reason.NO_PEERS
        if len(comparison.peers(service)) == 2 and evidence.symptom is Symptom.ERRORS:
            if evidence.history_score is None:
                return acts, Reason.NO_HISTORY
            acts = min(acts, evidence.history_score)
        if evidence.recheck_score is None:
            return acts, Reason.NO_RECHECK
        return min(acts, evidence.recheck_score), Reason.NONE

    def _again(self, row: int, symptom: Symptom) -> float | None:
        """What the second look says of a pod; None without one that covers its peers."""
        second_look = self._looked_again(int(self._state.comparison.service_of[row]), symptom)
        if second_look is None:
            return None
        member = (self._state.comparison.refs[row].key,)
        return second_look.acting_score(member, self._factors(row, symptom, second_look), self._settings.detection)

    def _looked_again(self, service: int, symptom: Symptom) -> recheck.Recheck | None:
        """The second look at one service, put into bins once for all its suspects."""
        if (service, symptom) not in self._second:
            self._second[(service, symptom)] = self._look_again(service, symptom)
        return self._second[(service, symptom)]

    def _look_again(self, service: int, symptom: Symptom) -> recheck.Recheck | None:
        state, comparison = self._state, self._state.comparison
        histories = self._snapshot.rechecks.get(comparison.services[service])
        peers = comparison.peers(service)
        busy = frozenset(comparison.refs[i].key for i in peers if self._busy[i])
        if not histories or not recheck.covers(histories, busy, self._settings.detection.reported_share):
            return None
        if symptom is Symptom.ERRORS:
            everyone = frozenset(comparison.refs[i].key for i in peers)
            return recheck.recheck_errors(histories, everyone, float(state.errors.bins.width[service]))
        warm = {comparison.refs[i].key: comparison.created[i] + self._settings.detection.warm_up_seconds for i in peers}
        least = 0.5 * self._settings.impact.latency_excess_ms
        return recheck.recheck_latency(histories, warm, float(state.latency.bins.width[service]), least)

    def _factors(self, row: int, symptom: Symptom, second_look: recheck.Recheck) -> list[float]:
        """The overdispersion of each stream: that of the tested cut below, as more requests are slower than it."""
        overdispersion = self._overdispersion[symptom][row]
        if symptom is Symptom.ERRORS:
            return [float(overdispersion[0])]
        tested = [self._state.cuts[i] for i in self._state.tested]
        return [float(overdispersion[max(bisect_right(tested, cut) - 1, 0)]) for cut in second_look.cuts]

    def _evidence(self, row: int, symptom: Symptom) -> Evidence:
        state, force = self._state, self._force
        slow = symptom is Symptom.LATENCY
        stream = int(force.cut[row]) if slow else 0
        every, acting = force.of(symptom)
        gathered = (state.latency if slow else state.errors).evidence
        requests, bad = float(gathered.own_total[row, stream]), float(gathered.own_bad[row, stream])
        everyone, all_bad = float(gathered.all_total[row, stream]), float(gathered.all_bad[row, stream])
        past = None
        if symptom is Symptom.ERRORS and row < len(state.past):
            past_score = float(history.score(state.past[row : row + 1])[0])
            past = past_score if np.isfinite(past_score) else None
        overdispersion = self._overdispersion[symptom]
        ratio, excess = self._slowdown(row) if slow else (1.0, 0.0)
        single = row < len(state.comparison.refs)
        callers, flags = self._errors_by_caller(row) if single else ({}, {})
        return Evidence(
            symptom=symptom,
            score=_plain(every[row]),
            acting_score=_plain(acting[row]),
            history_score=past,
            requests=requests,
            bad=bad,
            peer_requests=max(everyone - requests, 0.0),
            peer_bad=max(all_bad - bad, 0.0),
            share=requests / everyone if everyone > 0.0 else 0.0,
            bins=int(gathered.bins[row, stream]),
            onset=float(gathered.onset[row, stream]),
            newest=float(gathered.newest[row, stream]),
            dispersion=float(overdispersion[row, stream]) if row < len(overdispersion) else 1.0,
            cut=state.cuts[state.tested[stream]] if slow else None,
            latency_ratio=ratio,
            latency_excess_ms=excess,
            recheck_score=self._again(row, symptom) if single else None,
            callers=callers,
            flags=flags,
        )

    def _errors_by_caller(self, row: int) -> tuple[dict[str, float], dict[str, float]]:
        comparison = self._state.comparison
        histories = self._snapshot.rechecks.get(comparison.services[int(comparison.service_of[row])], ())
        return recheck.errors_by_caller(histories, comparison.refs[row].key)

    def _uncapped(self, symptom: Symptom, row: int) -> float:
        """
        Score of the best effect size (and cut) over the run as a whole; a pooled row adds up what its services say.

        Each service's run began where its own data chose: the stray errors of several would otherwise outweigh the one
        sick pod among them.
        """
        slow = symptom is Symptom.LATENCY
        # A strong fault is certain at several cuts: rows are compared each at its best, not at whichever came first.
        streams = range(len(self._state.tested)) if slow else (0,)
        return max(self._over_run(symptom, row, stream) for stream in streams)

    def _over_run(self, symptom: Symptom, row: int, stream: int) -> float:
        gathered = (self._state.latency if symptom is Symptom.LATENCY else self._state.errors).evidence
        comparison, overdispersion = self._state.comparison, self._overdispersion[symptom]
        pool = row - len(overdispersion)
        parts = (
            np.array([row])
            if pool < 0
            else comparison.parts[comparison.pool_first[pool] : comparison.pool_first[pool + 1]]
        )
        bad, total = gathered.own_bad[parts, stream], gathered.own_total[parts, stream]
        all_bad, all_total = gathered.all_bad[parts, stream], gathered.all_total[parts, stream]
        informative = (all_bad > 0.0) & (total > 0.0) & (total < all_total)
        if not informative.any():
            return 0.0
        ratios = likelihood(
            bad[informative],
            total[informative],
            all_bad[informative],
            all_total[informative],
            effect_sizes=np.array(self._state.effect_sizes),
        )
        whole = float((ratios / overdispersion[parts[informative], stream][:, None]).sum(axis=0).max())
        return whole - (_CHOSEN + math.log(len(parts))) * (int(np.count_nonzero(informative)) - 1)

    def _slowdown(self, row: int) -> tuple[float, float]:
        state, comparison = self._state, self._state.comparison
        members = pods_of(comparison, row)
        services = np.unique(comparison.service_of[members])
        everyone = sum(state.shares[comparison.first[s] : comparison.first[s + 1]].sum(axis=0) for s in services)
        own = state.shares[members].sum(axis=0)
        return slowdown(own, everyone - own, state.cuts)


def restrained(
    suspects: list[Suspect],
    suppressed: tuple[Suppression, ...],
    victims: Mapping[PodRef, Culprit],
    cleared: Mapping[PodRef, float],
    at: float,
) -> tuple[Suspect, ...]:
    """Suspects who are told only: their service is suppressed, they pass on what they got, or they were cleared."""
    barred = {suppression.service: suppression.reason for suppression in reversed(suppressed)}
    result = []
    for suspect in suspects:
        pod, service = suspect.culprit.pod, suspect.culprit.service
        reason, also = Reason.NONE, suspect.also
        if pod is not None and service in barred:
            reason = barred[service]
        elif pod is not None and pod in victims:
            reason, also = Reason.INHERITED, (victims[pod], *also)
        elif pod is not None and cleared.get(pod, 0.0) > at:
            reason = Reason.CLEARED
        if reason:
            result.append(replace(suspect, ceiling=Tier.ANNOTATE, ceiling_reason=reason, also=also))
        else:
            result.append(suspect)
    return tuple(sorted(result, key=lambda suspect: (suspect.ceiling_reason == Reason.CLEARED, _rank(suspect))))


def _rank(suspect: Suspect) -> tuple[object, ...]:
    evidence = suspect.evidence
    return (
        -int(suspect.tier),
        -evidence.acting_score,
        -evidence.score,
        suspect.culprit.kind.value,
        str(suspect.culprit),
    )


def _plain(score: float) -> float:
    return float(score) if np.isfinite(score) else 0.0


def median(buckets: FloatArray, cuts: tuple[float, ...]) -> float:
    """
    Median in milliseconds by linear interpolation inside its bucket; the last cut where it lies beyond it, NaN
    without requests. ``buckets``: shape (cuts + 1,), cumulative requests.
    """
    half = 0.5 * float(buckets[-1])
    if half <= 0.0:
        return float("nan")
    place = int(np.argmax(buckets >= half))
    if place >= len(cuts):
        return cuts[-1]
    low, below = (cuts[place - 1], float(buckets[place - 1])) if place else (0.0, 0.0)
    return low + (cuts[place] - low) * (half - below) / (float(buckets[place]) - below)


def slowdown(own: FloatArray, others: FloatArray, cuts: tuple[float, ...]) -> tuple[float, float]:
    """Median of the culprit over that of its peers, and the difference in milliseconds; ``(1, 0)`` if unknown."""
    mine, theirs = median(own, cuts), median(others, cuts)
    if not mine > 0.0 or not theirs > 0.0:
        return 1.0, 0.0
    return mine / theirs, mine - theirs
