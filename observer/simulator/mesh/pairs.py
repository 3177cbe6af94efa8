"""Faults that hit some callers' requests only, and requests that get lost on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from observer.simulator.arrays import BoolArray, FloatArray, IntArray
from observer.simulator.mesh.faults import Fault, Where
from observer.simulator.mesh.pods import MeshPod


@dataclass(frozen=True, slots=True, eq=False)
class PairRule:
    """
    Attributes:
        callees, callers: shape (slots,), the pods at either end that are hit.
        error_rate, lost: shares of their requests, 0 to 1. outcome: number of the answer to those that fail.
    """

    callees: BoolArray
    callers: BoolArray
    error_rate: float
    lost: float
    outcome: int

    def hit(self, callers: IntArray, callees: IntArray) -> BoolArray:
        """Which of these calls it is about."""
        hit: BoolArray = self.callers[callers] & self.callees[callees]
        return hit


class PairRules:
    """The rules in force now."""

    def __init__(self, rules: Sequence[PairRule] = ()) -> None:
        self._rules = rules

    def __bool__(self) -> bool:
        return bool(self._rules)

    @classmethod
    def of(cls, faults: Iterable[tuple[Fault, int]], pods: Sequence[MeshPod]) -> PairRules:
        """From faults with the numbers of their outcomes; ``pods`` by slot."""
        everybody = np.ones(len(pods), dtype=np.bool_)
        return cls(
            [
                PairRule(
                    _slots(fault.where, pods),
                    _slots(fault.callers, pods) if fault.callers is not None else everybody,
                    fault.error_rate,
                    fault.lost,
                    outcome,
                )
                for fault, outcome in faults
            ]
        )

    def lost(self, callers: IntArray, callees: IntArray, drawn: FloatArray) -> BoolArray:
        """Which calls never arrive; ``drawn``: a number within 0 and 1 for each."""
        kept = np.ones(callers.size)
        for rule in self._rules:
            kept[rule.hit(callers, callees)] *= 1.0 - rule.lost
        result: BoolArray = drawn >= kept
        return result

    def failed(self, callers: IntArray, callees: IntArray, drawn: FloatArray, outcomes: IntArray) -> BoolArray:
        """Which calls are answered with an error, its number written into ``outcomes``; the first rule that hits."""
        failed = np.zeros(callers.size, dtype=np.bool_)
        for rule in self._rules:
            mine = rule.hit(callers, callees) & (drawn < rule.error_rate) & ~failed
            outcomes[mine] = rule.outcome
            failed |= mine
        return failed


def _slots(where: Where, pods: Sequence[MeshPod]) -> BoolArray:
    return np.array([not pod.gone and hits(where, pod) for pod in pods], dtype=np.bool_)


def hits(where: Where, pod: MeshPod) -> bool:
    """The pod is one of those."""
    own = pod.identity
    return where.hits(pod=pod.name, workload=own.workload, service=own.service, version=own.version, node=pod.node)
