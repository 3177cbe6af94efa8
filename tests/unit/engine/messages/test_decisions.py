"""Sentences that a tired engineer reads: short, with the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import ActionKind
from observer.domain.decision import Blocked
from observer.domain.incident import Check, Experiment
from observer.domain.outcome import DrainVerdict, Outcome, Result, Verification
from observer.domain.reasons import GuardName, Reason
from observer.domain.snapshot import Gap
from observer.domain.suspect import CulpritKind, Symptom, Tier
from observer.engine.messages import announcements, decisions
from observer.engine.messages.wording import percent
from tests.support.builders import NOW, evidence, group_suspect, incident_of, pod, service_ref, suspect

NEEDS = {Tier.ANNOTATE: 9.0, Tier.DRAIN: 16.0, Tier.EVICT: 20.0}


@pytest.mark.parametrize(
    ("rate", "words"), [(0.0, "0 %"), (0.31, "31 %"), (0.002, "0.2 %"), (0.0004, "0.04 %"), (1.0, "100 %")]
)
def test_percent(rate: float, words: str) -> None:
    assert percent(rate) == words


def test_suspicion_of_errors() -> None:
    found = evidence(score=18.4, requests=200.0, bad_rate=0.31, peer_bad_rate=0.002)
    assert decisions.suspicion(suspect(pod("catalog-1"), Tier.DRAIN, found=found), NEEDS) == (
        "catalog-1 fails 31 % of its 200 requests, the other replicas 0.2 % of 600; "
        "evidence 18.4 of 20.0 needed to evict."
    )


def test_suspicion_of_latency() -> None:
    found = replace(
        evidence(score=21.0, bad_rate=0.6, peer_bad_rate=0.01),
        symptom=Symptom.LATENCY, cut=250.0, latency_ratio=3.1, latency_excess_ms=252.0,
    )  # fmt: skip
    assert decisions.suspicion(suspect(pod("cart-1"), Tier.EVICT, found=found), NEEDS) == (
        "cart-1 is 3.1 times as slow as the other replicas at the median (+252 ms); 60 % of its requests take over "
        "250 ms, 1.0 % of theirs; evidence 21.0 of 20.0 needed to evict."
    )


def test_suspicion_of_a_group_names_it() -> None:
    text = decisions.suspicion(group_suspect(CulpritKind.REVISION, "pay-v2", service_ref("pay")), NEEDS)
    assert text.startswith("Revision pay-v2 fails 30 %")


def test_holds_are_all_named() -> None:
    blocked_by = (
        Blocked(GuardName.ROLLOUT, Reason.ROLLOUT, "1 of 4 replicas"),
        Blocked(GuardName.LEADER, Reason.NOT_LEADER, "held by another"),
    )
    text = decisions.blocked(incident_of("catalog-1"), ActionKind.DRAIN, blocked_by)
    assert text == "catalog-1 is not drained: 1 of 4 replicas (rollout); held by another (not_leader)."


@pytest.mark.parametrize(
    ("verdict", "begins"),
    [
        (DrainVerdict.DROPPED, "Confirmed: 1 of 150 caller requests failed without catalog-1"),
        (DrainVerdict.NOT_DROPPED, "Not the cause: "),
        (DrainVerdict.NOT_EFFECTIVE, "No effect: "),
        (DrainVerdict.CANNOT_TELL, "Undecided: "),
    ],
)
def test_each_drain_verdict_says_what_it_means(verdict: DrainVerdict, begins: str) -> None:
    shown = Experiment(NOW, 0.25, 0.3, 0.0, requests=150.0, bad=1.0, log_odds=4.2, verdict=verdict)
    assert decisions.drain_verdict(incident_of("catalog-1"), shown).startswith(begins)


def test_verification_compares_before_and_after() -> None:
    check = Check(NOW, NOW, pod("catalog-9").ref, requests=80.0, bad=0.0, verdict=Verification.FIXED)
    text = decisions.verified(incident_of("catalog-1"), check)
    assert text == (
        "Fixed: 0 of 80 requests to catalog-9 failed (0 %); 30 % at catalog-1 before, 0 % at the other replicas."
    )


@pytest.mark.parametrize("result", list(Result))
def test_each_outcome_has_words(result: Result) -> None:
    text = decisions.outcome(incident_of("catalog-1"), ActionKind.EVICT, Outcome("a", result, "why", "detail"), "x")
    assert text.startswith("The eviction of catalog-1 ")
    assert "(why: detail)" in text


def test_blindness_names_its_sources() -> None:
    text = announcements.blind((Gap("prometheus", "timeout", "no answer within 4 s"),), "")
    assert text == ("Data incomplete, no actions until it recovers: prometheus: timeout (no answer within 4 s).")


@pytest.mark.parametrize("reason", sorted(decisions.RESTORE_REASONS))
def test_each_reason_to_restore_is_a_sentence(reason: str) -> None:
    text = decisions.restoring("catalog-1", reason)
    assert text.startswith("Restoring catalog-1: ")
    assert reason not in text.split(": ")[1].split()[:1]
