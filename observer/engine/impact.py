"""The impact gate without an objective: does the culprit's own excess hurt users enough to act?"""

from __future__ import annotations

from observer.domain.settings import ImpactSettings
from observer.domain.suspect import Evidence, Symptom


def impact(evidence: Evidence, settings: ImpactSettings) -> tuple[bool, str]:
    """
    Whether a drain is worth it, and why in words.

    Errors: the excess over the siblings' rate is at least ``error_rate`` of the culprit's requests and its rate at
    least ``error_ratio`` times theirs. Latency: the median at least ``latency_ratio`` times theirs and
    ``latency_excess_ms`` more. A certain but harmless oddity is told, not replaced.
    """
    if evidence.symptom is Symptom.LATENCY:
        ratio, excess = evidence.latency_ratio, evidence.latency_excess_ms
        text = f"its median is {ratio:.1f} times its siblings' and {excess:.0f} ms more"
        return ratio >= settings.latency_ratio and excess >= settings.latency_excess_ms, text
    if evidence.symptom is Symptom.UNREACHED:
        return False, "nobody can tell which pod the lost requests were meant for"
    rate, usual = evidence.bad_rate, evidence.sibling_bad_rate
    hurts = rate - usual >= settings.error_rate and rate >= settings.error_ratio * usual
    return hurts, f"it fails {100.0 * rate:.2f} % of its requests, its siblings {100.0 * usual:.2f} %"
