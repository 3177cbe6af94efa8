"""What each fault of the recorded day demands of Observer, and whether it came: whom it named, removed and proved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from observer import actions
from observer.domain.decision import Decision, Verdict
from observer.domain.outcome import Result

FIXED: Final = "fixed"
BY_ITSELF: Final = "ended_by_itself"


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """
    ``named`` is the culprit in words (``pod shop/cart-1``); nobody but that pod may be touched, and nobody at all when
    it is no pod.

    ``endings``: how its incident may end; empty = a common cause that is named, without an incident of its own.
    """

    named: str
    endings: tuple[str, ...] = ()


class DecisionCollector:
    """A sink that keeps what is decided from one scene to the next."""

    name = "day"

    def __init__(self) -> None:
        self._heard: list[Decision] = []

    async def tell(self, decision: Decision) -> None:
        self._heard.append(decision)

    async def close(self) -> None:
        """Nothing is held."""

    def taken(self) -> Sequence[Decision]:
        """What was heard since this was asked before."""
        heard, self._heard = self._heard, []
        return heard


def missed(demand: ExpectedOutcome, heard: Iterable[Decision]) -> list[str]:
    """What was wrong with the decisions of one scene, in sentences; empty = all that its fault demands came."""
    heard = list(heard)
    faults = [
        f"{one.pod} was touched ({one.action_kind.value})" for one in heard
        if one.action_kind is not None and actions.harmful(one.action_kind) and _applied(one) and f"pod {one.pod}" !=
        demand.named
    ]  # fmt: skip
    ends = {one.subject: one.reason for one in heard if one.kind == "closed"}
    # A suspicion of somebody else that fades is no harm: the first errors on a node may as well be the node's.
    others = {subject: how for subject, how in ends.items() if subject != demand.named and how != BY_ITSELF}
    faults += [f"{subject} was suspected, too: {how}" for subject, how in others.items()]
    if not demand.endings:
        named = demand.named in {str(one.figures.get("blamed")) for one in heard}
        return faults if named else [*faults, f"{demand.named} was never named as the cause"]
    ending = ends.get(demand.named, "no end")
    if ending not in demand.endings:
        faults.append(f"{demand.named}: {ending} instead of {' or '.join(demand.endings)}")
    evicted = any(actions.has_effect(one.action_kind, actions.Effect.REPLACEMENT) and _applied(one) for one in heard)
    proven = any(one.kind == "verified" and one.reason == FIXED and one.subject == demand.named for one in heard)
    if ending == FIXED and not (evicted and proven):
        faults.append(f"{demand.named}: called fixed, but {'not verified' if evicted else 'never replaced'}")
    return faults


def _applied(one: Decision) -> bool:
    done = one.outcome is not None and one.outcome.result is Result.APPLIED
    return one.verdict is Verdict.ACT and done
