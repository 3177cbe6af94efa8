"""What the ledger teaches: how long to wait after acts that gained nothing, and when to stop touching a workload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from observer import actions
from observer.domain.decision import LedgerEntry
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.outcome import Verification
from observer.domain.settings import GuardSettings
from observer.engine.messages import announcements

Key = tuple[WorkloadRef | None, str, str, str]
"""Owner, kind of culprit, node, revision."""


def key_of(entry: LedgerEntry) -> Key:
    """What a back-off is counted by."""
    return (entry.workload, entry.culprit_kind, entry.node, entry.revision)


def wait(ledger: Iterable[LedgerEntry], key: Key, but: str, settings: GuardSettings) -> tuple[float, int]:
    """
    ``(instant until which to wait, number of incidents that gained nothing)`` for one key, Unix seconds.

    Counts incidents other than ``but`` since the last useful one. One that ended without a grade (the symptom went
    away by itself, the experiment could not tell) is forgiven once; then it counts like a useless one. The wait
    starts at the newest act and doubles with each incident, at most ``backoff_max``.
    """
    verdicts: dict[str, bool | None] = {}
    newest: dict[str, float] = {}
    for entry in ledger:
        if key_of(entry) == key and entry.incident != but and _is_harmful(entry):
            verdicts[entry.incident] = grade_of(verdicts.get(entry.incident), entry.useful)
            newest[entry.incident] = max(newest.get(entry.incident, 0.0), entry.at)
    useless, undecided, last = 0, 0, 0.0
    for incident in sorted(newest, key=lambda key: (newest[key], key)):
        match verdicts[incident]:
            case True:
                useless = undecided = 0
            case False:
                useless, last = useless + 1, newest[incident]
            case None:
                undecided, last = undecided + 1, newest[incident]
    times = useless + max(0, undecided - 1)
    if times == 0:
        return 0.0, 0
    return last + min(settings.backoff_max, settings.backoff_seconds * 2.0 ** min(times - 1, 30)), times


def grade_of(before: bool | None, entry: bool | None) -> bool | None:
    """One verdict for all acts of an incident: useless if any act was, else useful if any was."""
    if before is False or entry is False:
        return False
    return True if before or entry else None


def frozen(ledger: Iterable[LedgerEntry], workload: WorkloadRef, at: float, settings: GuardSettings) -> str:
    """Why the workload is not to be touched any more; empty when it may be."""
    since = at - settings.freeze_window
    acts = [e for e in ledger if e.workload == workload and e.at > since and _is_harmful(e)]
    if any(e.verdict == Verification.WORSE.value for e in acts):
        return announcements.FREEZES["worse"]
    if any(e.verdict == "refused" for e in acts):
        return announcements.FREEZES["refused"]
    useless = {e.incident for e in acts if e.useful is False}
    if len(useless) >= settings.freeze_after:
        return announcements.FREEZES["useless"].format(acts=len(useless), hours=settings.freeze_window / 3600.0)
    return ""


def useless_share(ledger: Iterable[LedgerEntry], last: int) -> tuple[int, int]:
    """``(useless, graded)`` among the last so many acts that were graded."""
    graded = [entry for entry in ledger if _is_harmful(entry) and entry.useful is not None][-last:]
    return sum(1 for entry in graded if entry.useful is False), len(graded)


def graded(ledger: tuple[LedgerEntry, ...], incident: str, *, useful: bool, verdict: str) -> tuple[LedgerEntry, ...]:
    """The ledger after saying of an incident's acts whether they helped."""
    return tuple(
        replace(entry, useful=useful, verdict=verdict) if entry.incident == incident and _is_harmful(entry) else entry
        for entry in ledger
    )


def same_symptom(
    ledger: Iterable[LedgerEntry], service: ServiceRef, symptom: str, at: float, settings: GuardSettings
) -> tuple[LedgerEntry, ...]:
    """Evictions behind the service within half an hour for the same symptom that are not known to be useless."""
    return tuple(
        entry
        for entry in ledger
        if actions.has_effect(entry.action_kind, actions.Effect.REPLACEMENT)
        and entry.service == service
        and entry.symptom == symptom
        and entry.applied
        and entry.useful is not False
        and at - entry.at < settings.same_symptom_seconds
    )


def _is_harmful(entry: LedgerEntry) -> bool:
    return actions.harmful(entry.action_kind) and (counts(entry) or entry.verdict == "refused")


def counts(entry: LedgerEntry) -> bool:
    """The act weighs on the budgets: it happened, or nobody knows yet whether it did."""
    return entry.applied or not entry.settled
