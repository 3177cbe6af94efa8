"""A journal on disk with a night in it, for commands that read one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Blocked, Decision, LedgerEntry, Verdict
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import DrainVerdict, Outcome, Result, Verification
from observer.domain.reasons import GuardName, Reason
from observer.domain.slo import LedgerCount
from observer.domain.suspect import Culprit, CulpritKind, Symptom, Tier
from observer.journal.store import SqlJournal

MORNING = 1_795_000_000.0
"""The instant of the questions, Unix seconds: 2026-11-18 11:06:40 UTC."""
HOUR = 3600.0


def culprit(name: str, namespace: str = "shop") -> Culprit:
    pod = PodRef(namespace, name, f"uid-{name}")
    return Culprit(CulpritKind.POD, namespace, name, ServiceRef(namespace, name.partition("-")[0]), pod)


def incident(key: str, name: str, opened: float, *, namespace: str = "shop", **changes: object) -> Incident:
    """An open suspicion; ``changes`` are fields of ``Incident``."""
    app = name.partition("-")[0]
    made = Incident(
        id=key,
        opened=opened,
        culprit=culprit(name, namespace),
        symptom=Symptom.ERRORS,
        phase=Phase.SUSPECTED,
        phase_since=opened,
        workload=WorkloadRef(namespace, "Deployment", app),
        service=ServiceRef(namespace, app),
        evidence_score=21.5,
        p1=0.31,
        p0=0.002,
        requests=1200.0,
        bad=372.0,
        tier=Tier.EVICT,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def fixed(key: str, name: str, opened: float, lasted: float = 240.0) -> Incident:
    """Drained, proven, evicted, replaced and verified."""
    experiment = Experiment(opened + 20, 0.25, 0.31, 0.002, verdict=DrainVerdict.DROPPED)
    check = Check(opened + 90, opened + 200, PodRef("shop", name + "-heir", "u2"), verdict=Verification.FIXED)
    return incident(
        key,
        name,
        opened,
        phase=Phase.CLOSED,
        closing="fixed",
        closed=opened + lasted,
        experiment=experiment,
        check=check,
    )


def decision(key: str, at: float, kind: str, verdict: Verdict = Verdict.TELL, **fields: object) -> Decision:
    made = Decision(key, at, Kind(kind), verdict, "pod shop/cart-1", "", "", mode=Mode.ENFORCE)
    return replace(made, **fields)  # type: ignore[arg-type]


def evicted(of: Incident, at: float, *, useful: bool | None, verdict: str) -> tuple[Action, LedgerEntry]:
    """An eviction that was carried out, and what became of it."""
    assert of.culprit.pod is not None
    action = Action(ActionKind.EVICT, of.id, Target.of(of.culprit.pod))
    entry = LedgerEntry(
        action.id, at, ActionKind.EVICT, of.id, Target.of(of.culprit.pod), of.workload, of.service, "pod", "errors",
        "node-1",
        "v1",
        settled=True, applied=True, useful=useful, verdict=verdict,
    )  # fmt: skip
    return action, entry


def a_night() -> tuple[Sequence[Incident], Sequence[Decision], Sequence[tuple[Action, LedgerEntry]]]:
    """One pod replaced and fixed, one held, one given back, one made worse; an hour of blindness; a refused edit."""
    good = fixed("inc-fixed", "cart-1", MORNING - 9 * HOUR)
    blocked = incident(
        "inc-held", "pay-2", MORNING - 2 * HOUR, blocked={"disruption_budget": MORNING - 2 * HOUR}, namespace="bank"
    )
    spared = incident(
        "inc-spared", "web-3", MORNING - 5 * HOUR, phase=Phase.CLOSED, closing="cleared", closed=MORNING - 4.9 * HOUR,
        experiment=Experiment(MORNING - 5 * HOUR, 0.25, 0.2, 0.01, verdict=DrainVerdict.NOT_DROPPED),
    )  # fmt: skip
    worse = incident(
        "inc-worse", "mail-1", MORNING - 6 * HOUR, phase=Phase.CLOSED, closing="worse", closed=MORNING - 5.8 * HOUR,
        check=Check(MORNING - 6 * HOUR, MORNING - 5.9 * HOUR, verdict=Verification.WORSE),
    )  # fmt: skip
    brake = Blocked(GuardName("disruption"), Reason.DISRUPTION_BUDGET, "0 disruptions allowed by pdb bank/pay")
    told = (
        decision("d01", MORNING - 9 * HOUR, "suspected", incident=good.id, reason="errors",
                 text="cart-1 fails 31 % of its 1200 requests, its siblings 0.2 % of 3600; 21.5 nats."),
        decision("d02", MORNING - 9 * HOUR + 20, "drain", Verdict.ACT, incident=good.id, action_kind=ActionKind.DRAIN,
                 outcome=Outcome("a", Result.APPLIED, "labelled"), reason="evidence", text="Drain cart-1."),
        decision("d03", MORNING - 9 * HOUR + 90, "evict", Verdict.ACT, incident=good.id, action_kind=ActionKind.EVICT,
                 outcome=Outcome("b", Result.APPLIED, "evicted"), reason="dropped", text="Evict cart-1."),
        decision("d04", MORNING - 9 * HOUR + 230, "verified", incident=good.id, reason="fixed", text="Fixed."),
        decision("d05", MORNING - 8 * HOUR, "blind", subject="observer", reason="prometheus_timeout",
                 severity="warning", text="Observer is blind and touches nothing: prometheus: timeout.",
                 figures={"gaps": "prometheus:timeout"}),
        decision("d06", MORNING - 7 * HOUR, "recovered", subject="observer", reason="recovered", text="It sees again."),
        decision("d07", MORNING - 6 * HOUR, "evict", Verdict.ACT, incident=worse.id, action_kind=ActionKind.EVICT,
                 subject="pod shop/mail-1", outcome=Outcome("c", Result.APPLIED, "evicted"), text="Evict mail-1."),
        decision("d08", MORNING - 5.8 * HOUR, "verified", incident=worse.id, subject="pod shop/mail-1", reason="worse",
                 severity="page", text="Worse: mail-1-heir is not Ready 360 s after the eviction."),
        decision("d09", MORNING - 5.8 * HOUR, "frozen", subject="workload shop/mail", reason="frozen", severity="page",
                 text="mail is frozen, Observer touches it no more for a while: the last action made it worse."),
        decision("d10", MORNING - 5 * HOUR, "restore", Verdict.ACT, incident=spared.id, action_kind=ActionKind.RESTORE,
                 subject="pod shop/web-3", outcome=Outcome("d", Result.APPLIED, "restored"), text="Give web-3 back."),
        decision("d11", MORNING - 2 * HOUR, "blocked", Verdict.BLOCKED, incident=blocked.id, subject="pod bank/pay-2",
                 action_kind=ActionKind.DRAIN, blocked_by=(brake,), reason="disruption_budget", severity="warning",
                 text="pay-2 would be drained, but is not: disruption_budget: 0 disruptions allowed."),
        decision("d12", MORNING - HOUR, "page", incident=blocked.id, subject="pod bank/pay-2",
        reason="blocked_too_long",
                 severity="page", text="pay-2 has been held for 60 min and still hurts users: disruption_budget."),
        decision("d13", MORNING - HOUR / 2, "config_rejected", subject="observer", reason="rejected",
                 severity="warning", text="Edited settings or policies are refused: shop.yaml:3:1 unknown key."),
    )  # fmt: skip
    acts = (
        evicted(good, MORNING - 9 * HOUR + 90, useful=True, verdict="fixed"),
        evicted(worse, MORNING - 6 * HOUR, useful=False, verdict="worse"),
    )
    return (good, blocked, spared, worse), told, acts


def write_night(folder: Path, *, counts: Sequence[tuple[float, LedgerCount]] = ()) -> str:
    """The night in a new SQLite journal; its address. Blocks; not for a running event loop."""
    return asyncio.run(fill(folder, counts=counts))


async def fill(folder: Path, *, counts: Sequence[tuple[float, LedgerCount]] = ()) -> str:
    """The same inside a running loop."""
    url = f"sqlite+aiosqlite:///{folder / 'journal.db'}"
    journal = await SqlJournal.open(url)
    known, told, acts = a_night()
    try:
        for one in known:
            await journal.save(one)
        for each in told:
            await journal.record(each)
        for action, entry in acts:
            await journal.intend(action, entry)
            await journal.record_outcome(action.id, Outcome(action.id, Result.APPLIED, "evicted"), entry.at)
            if entry.useful is not None:
                await journal.grade(entry.incident, useful=entry.useful, verdict=entry.verdict)
        await journal.counts.add(counts)
    finally:
        await journal.close()
    return url
