"""Faults that keep every probe green: pods that answer errors or late, and sidecars that nobody reaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.simulator.mesh.pods import MeshPod

ALWAYS: Final = -math.inf
FOR_EVER: Final = math.inf


class Sidecar(IntEnum):
    """What a pod's sidecar does; graver states outrank milder ones."""

    SERVES = 0
    DEAD = 1
    """Refuses connections at once; its metrics page too."""
    FROZEN = 2
    """Accepts nothing and answers nothing: callers wait, scrapes time out."""


@dataclass(frozen=True, slots=True)
class Where:
    """The pods that a fault hits: those that match every field that is set."""

    pods: frozenset[str] = frozenset()
    workload: str = ""
    service: str = ""
    version: str = ""
    node: str = ""

    def hits(self, *, pod: str, workload: str, service: str, version: str, node: str) -> bool:
        """The pod of these names is hit."""
        return (
            (not self.pods or pod in self.pods)
            and self.workload in ("", workload)
            and self.service in ("", service)
            and self.version in ("", version)
            and self.node in ("", node)
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault.

    Attributes:
        name: to clear it by; a second fault of the same name replaces the first.
        error_rate: share of requests answered with ``error_code``.
        slow_seconds: added to each request (times 0.7 to 1.3); ``slow_factor`` multiplies the own work.
        callers: only requests from these pods are hit; None = everybody's. Goes with ``error_rate`` and ``lost`` only.
        lost: share of the requests that never arrive: their callers wait until they give up connecting (flag UF).
        since, until: Unix seconds.
    """

    name: str
    where: Where
    error_rate: float = 0.0
    error_code: int = 500
    slow_seconds: float = 0.0
    slow_factor: float = 1.0
    sidecar: Sidecar = Sidecar.SERVES
    callers: Where | None = None
    lost: float = 0.0
    since: float = ALWAYS
    until: float = FOR_EVER

    def __post_init__(self) -> None:
        for what, share in (("error_rate", self.error_rate), ("lost", self.lost)):
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{what} must be within 0 and 1, not {share}")
        if self.callers is not None and (self.slow_seconds, self.slow_factor, self.sidecar) != (0, 1, Sidecar.SERVES):
            raise ValueError("callers: a fault of single callers can fail or lose requests, nothing else")

    @property
    def by_pair(self) -> bool:
        """It depends on who calls whom, not on the pod alone."""
        return self.callers is not None or self.lost > 0.0

    def active(self, at: float) -> bool:
        """In force at ``at``."""
        return self.since <= at < self.until


def pod_errors(pod: str, rate: float, code: int = 500, *, since: float = ALWAYS, until: float = FOR_EVER) -> Fault:
    """One pod answers ``code`` to a share of its requests."""
    where = Where(pods=frozenset({pod}))
    return Fault(f"errors:{pod}", where, error_rate=rate, error_code=code, since=since, until=until)


def pod_slow(
    pod: str, seconds: float = 0.0, factor: float = 1.0, *, since: float = ALWAYS, until: float = FOR_EVER
) -> Fault:
    """One pod is late by ``seconds`` and takes ``factor`` times as long."""
    where = Where(pods=frozenset({pod}))
    return Fault(f"slow:{pod}", where, slow_seconds=seconds, slow_factor=factor, since=since, until=until)


def sidecar_frozen(pod: str, *, since: float = ALWAYS, until: float = FOR_EVER) -> Fault:
    """One pod's sidecar hangs: scrapes fail, callers' requests end in UF."""
    where = Where(pods=frozenset({pod}))
    return Fault(f"frozen:{pod}", where, sidecar=Sidecar.FROZEN, since=since, until=until)


def sidecar_dead(pod: str, *, since: float = ALWAYS, until: float = FOR_EVER) -> Fault:
    """One pod's sidecar refuses connections."""
    where = Where(pods=frozenset({pod}))
    return Fault(f"dead:{pod}", where, sidecar=Sidecar.DEAD, since=since, until=until)


def revision_bad(
    service: str, version: str, rate: float, code: int = 500, *, since: float = ALWAYS, until: float = FOR_EVER
) -> Fault:
    """Every pod of one version of a service, replacements too."""
    where = Where(service=service, version=version)
    return Fault(f"revision:{service}-{version}", where, rate, code, since=since, until=until)


def workload_bad(
    workload: str, rate: float, code: int = 500, *, since: float = ALWAYS, until: float = FOR_EVER
) -> Fault:
    """Every pod of one Deployment."""
    return Fault(f"workload:{workload}", Where(workload=workload), rate, code, since=since, until=until)


def dependency_bad(
    service: str, rate: float, code: int = 500, *, since: float = ALWAYS, until: float = FOR_EVER
) -> Fault:
    """Every pod of a service that others depend on: its callers answer 502."""
    return Fault(f"dependency:{service}", Where(service=service), rate, code, since=since, until=until)


def node_bad(node: str, rate: float, code: int = 500, *, since: float = ALWAYS, until: float = FOR_EVER) -> Fault:
    """Every pod on one node, whatever its workload."""
    return Fault(f"node:{node}", Where(node=node), rate, code, since=since, until=until)


def edge_loss(caller: str, callee: str, share: float, *, since: float = ALWAYS, until: float = FOR_EVER) -> Fault:
    """The way from one service to another loses a share of the requests; others reach the callee as ever."""
    ends = Where(service=callee), Where(service=caller)
    return Fault(f"edge:{caller}:{callee}", ends[0], callers=ends[1], lost=share, since=since, until=until)


def route_lost(service: str, share: float, *, since: float = ALWAYS, until: float = FOR_EVER) -> Fault:
    """A share of everybody's requests to one service never arrives, as after a wrong route was pushed."""
    return Fault(f"route:{service}", Where(service=service), lost=share, since=since, until=until)


def caller_bad(
    caller: str, callee: str, rate: float, code: int = 500, *, since: float = ALWAYS, until: float = FOR_EVER
) -> Fault:
    """One service sends requests that its callee answers with errors; it answers everybody else well."""
    ends = Where(service=callee), Where(service=caller)
    return Fault(f"caller:{caller}:{callee}", ends[0], rate, code, callers=ends[1], since=since, until=until)


def burst(rate: float, since: float, until: float, *, service: str = "", code: int = 503) -> Fault:
    """All pods (of a service) alike, for a moment."""
    return Fault(f"burst:{service}:{since}", Where(service=service), rate, code, since=since, until=until)


def random_bursts(
    seed: int, since: float, until: float, *, every: float, lasts: float, rate: float, service: str = ""
) -> Iterator[Fault]:
    """Bursts at random moments, on average one in ``every`` seconds."""
    rng = np.random.default_rng(seed)
    at = since + float(rng.exponential(every))
    while at < until:
        yield burst(rate, at, at + lasts, service=service)
        at += lasts + float(rng.exponential(every))


class FaultSet:
    """The faults that are set; they may change at any time."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self.version = 0
        """Grows with every change."""

    def set(self, *faults: Fault) -> None:
        """Put faults in place."""
        self._faults.update({fault.name: fault for fault in faults})
        self.version += 1

    def clear(self, name: str = "") -> None:
        """Take one fault away by its name, or all."""
        if name:
            self._faults.pop(name, None)
        else:
            self._faults.clear()
        self.version += 1

    def clear_pod(self, pod: str) -> None:
        """Take away every fault that names this pod."""
        self._faults = {name: fault for name, fault in self._faults.items() if pod not in fault.where.pods}
        self.version += 1

    def standing(self) -> list[Fault]:
        """All that are set, in force or not."""
        return list(self._faults.values())

    def active(self, at: float) -> list[Fault]:
        """Those in force at ``at``."""
        return [fault for fault in self._faults.values() if fault.active(at)]

    def next_change(self, at: float) -> float:
        """The next instant after ``at`` at which a fault begins or ends."""
        return min((edge for edge in self._edges() if edge > at), default=FOR_EVER)

    def _edges(self) -> Iterable[float]:
        for fault in self._faults.values():
            yield fault.since
            yield fault.until


# --- Faults that hit some callers' requests only, and requests that get lost on the way


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
        retained = np.ones(callers.size)
        for rule in self._rules:
            retained[rule.hit(callers, callees)] *= 1.0 - rule.lost
        result: BoolArray = drawn >= retained
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
