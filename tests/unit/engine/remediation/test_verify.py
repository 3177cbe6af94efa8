"""The verification of a replacement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.incident import Check, Incident, Phase
from observer.domain.outcome import Verification
from observer.domain.settings import EscalationSettings
from observer.domain.suspect import Culprit, CulpritKind, Symptom
from observer.engine.remediation.verify import observe, replacement, start_deadline
from tests.support.builders import NOW, catalog, cluster, pod, tally, workload_ref

ESCALATION = EscalationSettings()


def incident(p1: float = 0.3, p0: float = 0.0) -> Incident:
    gone = pod("catalog-1")
    return Incident(
        id="i",
        opened=NOW - 60.0,
        culprit=Culprit(CulpritKind.POD, "shop", "catalog-1", gone.service, gone.ref),
        symptom=Symptom.ERRORS,
        phase=Phase.VERIFYING,
        phase_since=NOW,
        workload=workload_ref(),
        service=gone.service,
        share=0.25,
        p1=p1,
        p0=p0,
        requests=200.0,
        known_pods=("uid-catalog-1", "uid-catalog-2", "uid-catalog-3", "uid-catalog-4"),
    )


@pytest.mark.parametrize(
    ("requests", "bad", "expected"),
    [
        (29.0, 0.0, Verification.PENDING),
        (30.0, 0.0, Verification.FIXED),
        (30.0, 9.0, Verification.NO_CHANGE),
        (60.0, 48.0, Verification.WORSE),
        (200.0, 1.0, Verification.FIXED),
    ],
)
def test_verdicts(requests: float, bad: float, expected: Verification) -> None:
    seen = observe(Check(NOW, NOW + 15.0), incident(), tally(pod("catalog-new"), requests, bad), ESCALATION)
    assert seen.verdict is expected


def test_small_difference_needs_more_requests() -> None:
    check = Check(NOW, NOW + 15.0)
    one = tally(pod("catalog-new"), 30.0)
    assert observe(check, incident(p1=0.05), one, ESCALATION).verdict is Verification.PENDING
    for _ in range(5):
        check = observe(check, incident(p1=0.05), one, ESCALATION)
    assert check.verdict is Verification.FIXED
    assert check.requests == 150.0


def test_replacement_was_not_there_before() -> None:
    newcomer = pod("catalog-9", created=NOW - 1.0)
    older = pod("catalog-8", created=NOW - 30.0)
    assert replacement(incident(), cluster([*catalog(4)[1:], older, newcomer]), NOW) == newcomer
    assert replacement(incident(), cluster(catalog(4)[1:]), NOW) is None
    assert replacement(replace(incident(), workload=None), cluster([newcomer]), NOW) is None


def test_ready_replacement_is_preferred_and_a_dying_one_ignored() -> None:
    waiting, ready = pod("catalog-8", created=NOW, ready=False), pod("catalog-9", created=NOW + 1.0)
    dying = pod("catalog-7", created=NOW, deleting=True)
    assert replacement(incident(), cluster([dying, waiting, ready]), NOW) == ready


def test_start_deadline_follows_the_usual_start() -> None:
    assert start_deadline(NOW, 10.0, ESCALATION) == NOW + 30.0
    assert start_deadline(NOW, None, ESCALATION) == NOW + 180.0
