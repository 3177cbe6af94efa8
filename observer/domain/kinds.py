"""The kinds of decisions: what each means, and which steps of an incident's way it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """The steps from a snapshot to the people who are told; the order is that of the loop."""

    SENSE = "sense"
    JUDGE = "judge"
    ATTRIBUTION = "attribution"
    CHOOSE = "choose"
    GUARD = "guard"
    ACT = "act"
    VERIFY = "verify"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Kind:
    """``meaning`` is one phrase for people; ``stages`` are the steps that led to such a decision, in order."""

    meaning: str
    stages: tuple[Stage, ...]


_SUSPICION = (Stage.SENSE, Stage.JUDGE, Stage.ATTRIBUTION, Stage.TELL)
_ACT = (Stage.SENSE, Stage.JUDGE, Stage.ATTRIBUTION, Stage.CHOOSE, Stage.GUARD, Stage.ACT, Stage.TELL)
_HELD = (Stage.SENSE, Stage.JUDGE, Stage.ATTRIBUTION, Stage.CHOOSE, Stage.GUARD, Stage.TELL)
_PROOF = (Stage.SENSE, Stage.VERIFY, Stage.TELL)
_NEWS: Final = (Stage.TELL,)

KINDS: Final[Mapping[str, Kind]] = {
    "alert": Kind("an alert that asked Observer to look was answered", _SUSPICION),
    "blind": Kind("sources are missing: nothing is judged", (Stage.SENSE, Stage.TELL)),
    "closed": Kind("the incident ended", _PROOF),
    "config_rejected": Kind("edited settings or policies are refused, the old ones stay in force", _NEWS),
    "config_reloaded": Kind("edited settings or policies are in force", _NEWS),
    "deferred": Kind("the API server put an act off", (Stage.ACT, Stage.TELL)),
    "drain": Kind("traffic is taken from a pod", _ACT),
    "drain_effective": Kind("the traffic has left the drained pod", _PROOF),
    "drain_verdict": Kind("the drain experiment has an answer", _PROOF),
    "dry_run": Kind("the API server checked an act and kept nothing", (Stage.ACT, Stage.TELL)),
    "evict": Kind("a pod is evicted", _ACT),
    "frozen": Kind("a workload is left alone after useless acts", (Stage.GUARD, Stage.TELL)),
    "blocked": Kind("brakes forbid the next rung", _HELD),
    "page": Kind("a person is needed", _NEWS),
    "regraded": Kind("an earlier act counts as useless now", _PROOF),
    "replaced": Kind("a replacement serves", _PROOF),
    "restore": Kind("a drained pod is given back", _ACT),
    "resumed": Kind("an incident goes on after a restart", _NEWS),
    "recovered": Kind("sources are back: Observer judges again", (Stage.SENSE, Stage.TELL)),
    "suggested": Kind("what a person could do about a cause that no rung of a pod reaches", _SUSPICION),
    "suppressed": Kind("nobody is removed: a common cause", _SUSPICION),
    "suspected": Kind("evidence against a pod or a group", _SUSPICION),
    "unreached": Kind("callers cannot reach a pod", _SUSPICION),
    "verified": Kind("the same figures before and after a replacement were compared", _PROOF),
    "waiting": Kind("the next rung needs more evidence", (Stage.SENSE, Stage.JUDGE, Stage.CHOOSE, Stage.TELL)),
}
"""Every kind that the engine and the loop know. A kind of a rung that is newer than this table counts as an act."""


def stages_of(kind: str, *, acts: bool) -> tuple[Stage, ...]:
    """The steps behind a decision of this kind; ``acts`` says whether it names a rung that writes."""
    known = KINDS.get(kind)
    if known is not None:
        return known.stages
    return _ACT if acts else _NEWS
