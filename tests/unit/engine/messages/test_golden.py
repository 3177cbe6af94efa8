"""
Every sentence of the engine by running it, in one file that can be read aloud from end to end.

``OBSERVER_GOLDEN=write`` writes the file anew; look at the difference before it is committed.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import observer.engine.messages
from observer.domain.action import Action, ActionKind
from observer.domain.attribution import Cause, CauseKind, EvidenceLine, RankedCause
from observer.domain.decision import Blocked
from observer.domain.ids import Target, TargetKind
from observer.domain.incident import Check, Experiment
from observer.domain.outcome import DrainVerdict, Outcome, Result, Verification
from observer.domain.reasons import GuardName, Reason
from observer.domain.snapshot import Gap
from observer.domain.suspect import CulpritKind, Suppression, Symptom, Tier
from observer.engine.messages import announcements, decisions, wording
from tests.support.builders import NOW, evidence, group_suspect, incident_of, pod, service_ref, suspect
from tests.support.guard_cases import context_of
from tests.tools.reason_pages import cases as guard_cases

GOLDEN = Path(__file__).parents[3] / "golden" / "messages" / "decisions.txt"
NEEDS = {Tier.ANNOTATE: 9.0, Tier.DRAIN: 17.6, Tier.EVICT: 21.5}
POD = "cart-6f9d-x2k"
INCIDENT = replace(
    incident_of(POD, app="cart"), evidence_score=18.4, tier=Tier.DRAIN, p1=0.31, p0=0.002, requests=200.0
)
SLOW = replace(INCIDENT, symptom=Symptom.LATENCY, cut=3)
DRAIN = Experiment(NOW, 0.25, 0.25, 0.002, requests=61.0, bad=0.0, verdict=DrainVerdict.DROPPED)
ACTS = (ActionKind.DRAIN, ActionKind.RESTORE, ActionKind.EVICT)
RANKED = RankedCause(
    Cause(CauseKind.POD, "shop", "store-1", service_ref("store"), pod=pod("store-1").ref), 0.97, 3.5,
    lines=(EvidenceLine("ledger", 12.0, "300 of 1000 calls fail on it"),),
)  # fmt: skip


def suspicions() -> Iterator[str]:
    for score, tier in ((7.1, Tier.NONE), (10.7, Tier.ANNOTATE), (18.4, Tier.DRAIN), (23.0, Tier.EVICT)):
        found = evidence(score=score, requests=200.0, bad_rate=0.31, peer_bad_rate=0.002)
        yield decisions.suspicion(suspect(pod(POD), tier, found=found), NEEDS)
    slow = replace(
        evidence(score=22.0, bad_rate=0.6, peer_bad_rate=0.01),
        symptom=Symptom.LATENCY, cut=250.0, latency_ratio=3.1, latency_excess_ms=252.0,
    )  # fmt: skip
    yield decisions.suspicion(suspect(pod(POD), Tier.EVICT, found=slow), NEEDS)
    yield decisions.suspicion(suspect(pod(POD), found=replace(slow, symptom=Symptom.UNREACHED)), NEEDS)
    for kind in (CulpritKind.REVISION, CulpritKind.NODE, CulpritKind.ZONE, CulpritKind.WORKLOAD):
        yield decisions.suspicion(group_suspect(kind, f"{kind.value}-b", service_ref("cart")), NEEDS)


def acts() -> Iterator[str]:
    answers = (
        Blocked(GuardName.SERVING_FLOOR, Reason.SERVING_FLOOR, "2 of 4 replicas would keep serving, at least 3 must"),
        Blocked(GuardName.LEADER, Reason.NOT_LEADER, "another replica of Observer leads"),
    )
    yield decisions.blocked(INCIDENT, ActionKind.DRAIN, answers)
    yield decisions.blocked(INCIDENT, ActionKind.EVICT, answers[:1])
    for would in (False, True):
        yield decisions.acting(INCIDENT, ActionKind.DRAIN, would=would, seconds=300.0, needs=NEEDS)
        yield decisions.acting(SLOW, ActionKind.DRAIN, would=would, seconds=300.0, needs={})
        yield decisions.acting(INCIDENT, ActionKind.EVICT, would=would, seconds=300.0, needs=NEEDS)
        proven = replace(INCIDENT, experiment=DRAIN, tier=Tier.EVICT, evidence_score=24.0)
        yield decisions.acting(proven, ActionKind.EVICT, would=would, seconds=300.0, needs=NEEDS)
    for kind in ACTS:
        yield decisions.look_up(POD, kind)
        for result in Result:
            yield decisions.outcome(INCIDENT, kind, Outcome("a", result, "pdb", "no disruption allowed"), POD)
    yield decisions.outcome(None, ActionKind.RESTORE, Outcome("a", Result.APPLIED, "applied"), f"shop/{POD}")
    yield decisions.approval(POD, ActionKind.DRAIN, "a person must approve plan 3f2a91bc")
    yield decisions.blocked_too_long(POD, 1500.0, ("disruption_budget", "rollout"))
    yield decisions.held_for_human(POD, 900.0)
    yield decisions.evict_not_allowed(POD)
    yield decisions.done(Action(ActionKind.EVICT, "i1", Target(TargetKind.POD, "shop", POD)))


def drains() -> Iterator[str]:
    yield decisions.drain_effective(INCIDENT, 0.004, 11.0)
    for verdict in DrainVerdict:
        yield decisions.drain_verdict(INCIDENT, replace(DRAIN, verdict=verdict))
    yield decisions.drain_verdict(SLOW, replace(DRAIN, bad=14.0, cut=3, verdict=DrainVerdict.NOT_DROPPED))
    yield decisions.drain_verdict(INCIDENT, replace(DRAIN, verdict=DrainVerdict.CANNOT_TELL), hidden=True)
    yield decisions.resumed(POD)
    for reason in decisions.RESTORE_REASONS:
        yield decisions.restoring(POD, reason)
        yield decisions.restored(POD, reason)


def verifications() -> Iterator[str]:
    yield decisions.replaced(INCIDENT, "cart-6f9d-n8w", 14.0)
    whys = (
        decisions.still_there(POD, 90.0),
        decisions.scaled_down(),
        decisions.not_ready("cart-6f9d-n8w", "ImagePullBackOff", 90.0),
        decisions.not_ready("", "", 90.0),
        decisions.not_ready_for_long("cart-6f9d-n8w"),
        decisions.replacement_gone(),
        decisions.too_few_requests("cart-6f9d-n8w", 12.0, 300.0),
        decisions.worse_elsewhere("peers", "fail", (0.12, 400.0), (0.004, 2400.0)),
        decisions.worse_elsewhere("callers", "wait in", (0.4, 400.0), (0.01, 2400.0)),
    )
    for verdict in Verification:
        check = Check(NOW, NOW, pod("cart-6f9d-n8w").ref, requests=512.0, bad=1.0, verdict=verdict)
        yield decisions.verified(INCIDENT, check)
        yield decisions.finished(POD, verdict, 182.0)
    yield decisions.verified(SLOW, Check(NOW, NOW, None, verdict=Verification.UNKNOWN))
    for why in whys:
        yield decisions.verified(INCIDENT, Check(NOW, NOW, verdict=Verification.UNKNOWN), why)
    for what in decisions.ENDINGS:
        yield decisions.ended(what, POD, 300.0)
    yield decisions.regraded("cart-6f9d-a1b", POD, 540.0)


def announced() -> Iterator[str]:
    yield announcements.blind((Gap("prometheus", "timeout", "no answer within 4 s"), Gap("kubernetes", "stale")), "")
    for why in announcements.BLIND:
        yield announcements.blind((), why)
    yield announcements.RECOVERED
    front, cause = service_ref("front"), suspect(pod("store-1")).culprit
    for reason, detail in (
        ("inherited", "its errors come from pod shop/store-1"),
        ("workload_failing", "all replicas fail at the same unusual rate"),
    ):
        for named in (None, cause):
            yield announcements.suppression(Suppression(front, Reason(reason), detail, named))
    for why in announcements.FREEZES.values():
        yield announcements.frozen("cart", why.format(acts=3, hours=4.0))
    for answer in announcements.ALERTS:
        yield announcements.answer_to_alert(
            answer, "CartErrors", front, found=f"pod shop/{POD}", incident="4be3c9f2", seconds=300.0
        )
    for kind in CauseKind:
        ranked = replace(RANKED, cause=Cause(kind, "shop", "store-v2", front, callee=service_ref("store")))
        if (suggested := announcements.advice(ranked, front)) is not None:
            yield announcements.suggestion(ranked, suggested[1])
    if (suggested := announcements.advice(RANKED, front)) is not None:
        yield announcements.suggestion(RANKED, suggested[1])


def guarded() -> Iterator[str]:
    """What every guard says in the cases that its own tests run, as a person reads it."""
    for case in guard_cases():
        answer = case.guard(context_of(case))
        if isinstance(answer, Blocked):
            yield decisions.blocked(INCIDENT, ActionKind.DRAIN, (answer,))


PARTS = {
    "Suspicions": suspicions,
    "Actions": acts,
    "Drains": drains,
    "Replacements and endings": verifications,
    "Announcements": announced,
    "Guards": guarded,
}


def test_to_the_letter() -> None:
    parts = (f"# {title}\n\n" + "".join(f"{text}\n" for text in make()) for title, make in PARTS.items())
    text = "\n".join(parts)
    if os.environ.get("OBSERVER_GOLDEN") == "write":
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("sentence", [text for make in PARTS.values() for text in make()])
def test_each_sentence_is_one(sentence: str) -> None:
    assert sentence[0].isupper() or sentence.startswith(("cart", "shop/")), "it begins with its subject"
    assert sentence[-1] in ".?" and ".." not in sentence
    assert not re.search(r"\b(nats|rung|sibling|siblings|brake|heir|mate|blame|blamed|acquitted|nobody)\b", sentence)
    assert not re.search(r"\d%|\{|\}|None\b", sentence), "one style for shares, and no hole is left"


def test_none_is_left_out() -> None:
    folder = Path(observer.engine.messages.__file__).parent
    makers = {
        node.name
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    used = {node.attr for node in ast.walk(ast.parse(Path(__file__).read_text())) if isinstance(node, ast.Attribute)}
    assert makers - used <= set(vars(wording)), "made in the engine, and run nowhere above"
