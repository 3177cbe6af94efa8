"""
The ledger of calls: for each caller and callee what either of them counted, and who accounts for whose errors.

Errors that both saw came from the callee or from below it; errors that only the caller saw never reached it.
Responsibility flows from the service whose users are affected down the calls, and stays where the callees account for
nothing more: this is what makes a victim a victim. A service that fails one caller's requests, and nobody else's, is
asked something that it cannot answer: its pods are no worse than they were.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from observer.domain.attribution import AttributionInputs, Cause, CauseKind, Measure, edge_cause
from observer.domain.classify import flags_of
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import ServiceRef
from observer.engine.attribution.evidence import MOST, ServiceEvidence, more

Pair = tuple[ServiceRef, ServiceRef]


@dataclass(frozen=True, slots=True)
class Responsibility:
    """Shares of the responsibility that stay: with services, and on the way between two. ``inherited``: 0..1."""

    services: Mapping[ServiceRef, float]
    edges: Mapping[Pair, float]
    inherited: Mapping[ServiceRef, float]


def flow(
    start: Mapping[ServiceRef, float],
    own: Mapping[ServiceRef, float],
    passed: Mapping[Pair, float],
    lost: Mapping[Pair, float] | None = None,
) -> Responsibility:
    """
    Let responsibility run.

    Args:
        start: where it begins, summing to 1 or less.
        own: trouble of each service that nothing below accounts for. passed: trouble that each call hands up from its
            callee. lost: trouble that arises on the way. All in one unit, zero or more.

    Calls that lead back to a service already on the way are left out, so a cycle ends where it was entered.
    """
    lost = lost or {}
    callees = _callees(sorted(passed.keys() | lost.keys()))
    arrived = dict.fromkeys(callees, 0.0) | dict(start)
    services: dict[ServiceRef, float] = {}
    edges: dict[Pair, float] = {}
    inherited: dict[ServiceRef, float] = {}
    order, retained = _downwards(sorted(start), callees)
    for service in order:
        amount = arrived.get(service, 0.0)
        calls = [(service, callee) for callee in callees.get(service, ())]
        ways = [pair for pair in calls if pair in retained]
        mine = own.get(service, 0.0)
        got = sum(_handed(pair, passed, lost) for pair in calls)
        if mine + got > 0.0:
            # What came back round a circle was not its own either, though responsibility does not run there.
            inherited[service] = got / (mine + got)
        total = mine + sum(_handed(pair, passed, lost) for pair in ways)
        if total <= 0.0 or amount <= 0.0:
            continue
        services[service] = services.get(service, 0.0) + amount * mine / total
        for pair in ways:
            arrived[pair[1]] = arrived.get(pair[1], 0.0) + amount * passed.get(pair, 0.0) / total
            if lost.get(pair, 0.0) > 0.0:
                edges[pair] = edges.get(pair, 0.0) + amount * lost[pair] / total
    return Responsibility({service: share for service, share in services.items() if share > 0.0}, edges, inherited)


def _callees(pairs: Iterable[Pair]) -> dict[ServiceRef, list[ServiceRef]]:
    """Whom each caller calls, itself not counted."""
    callees: dict[ServiceRef, list[ServiceRef]] = {}
    for caller, callee in pairs:
        if caller != callee:
            callees.setdefault(caller, []).append(callee)
    return callees


def _downwards(
    start: list[ServiceRef], callees: Mapping[ServiceRef, list[ServiceRef]]
) -> tuple[list[ServiceRef], set[Pair]]:
    """Services below ``start``, callers before callees, and the calls that do not lead back."""
    done: list[ServiceRef] = []
    state: dict[ServiceRef, int] = {}
    retained: set[Pair] = set()
    for first in start:
        if first in state:
            continue
        state[first] = 1
        stack = [(first, iter(callees.get(first, ())))]
        while stack:
            service, ways = stack[-1]
            following = next(ways, None)
            if following is None:
                state[service] = 2
                done.append(service)
                stack.pop()
            elif state.get(following) == 1:
                continue
            else:
                retained.add((service, following))
                if following not in state:
                    state[following] = 1
                    stack.append((following, iter(callees.get(following, ()))))
    return done[::-1], retained


_TRUST: Final = {EdgeSource.METRICS: 0, EdgeSource.KIALI: 1, EdgeSource.TRACES: 2}
_USUALLY: Final = (0.5, 500.0)
"""What is believed of calls without a past: one error in a thousand, and no more certain than that."""
_ONE_CALLER: Final = 0.25
"""A callee is reached by others when they lose less than this part of what the unlucky caller loses."""
OUTSIDE: Final = frozenset({ServiceRef("", "unknown"), ServiceRef("unknown", "unknown")})
"""How sources call whoever is not in the mesh; a service that bears the name in a real namespace is a service."""
_ANSWERED: Final = frozenset({"URX"})
"""Flags of calls that were answered: the caller merely asked no more after the last answer."""
_HALF_SURE: Final = 3.0
"""Score at which trouble counts half when several services with no callers in trouble share it."""


@dataclass(frozen=True, slots=True)
class Line:
    """
    One caller and callee: events of the window. ``lost`` are the errors that never reached the callee; ``answered``
    the ones it answered with; ``usual`` = (answered, lost, requests) before, None when unknown.
    """

    requests: float
    answered: float
    lost: float
    usual: tuple[float, float, float] | None

    @property
    def more_answered(self) -> float:
        """Errors that the callee answered with, beyond what was usual."""
        return self._beyond(self.answered, 0, _USUALLY[0] / _USUALLY[1])

    @property
    def more_lost(self) -> float:
        """Calls that were lost beyond what was usual."""
        return self._beyond(self.lost, 1, 0.0)

    @property
    def certainty(self) -> float:
        """Score for more errors than usual, 0..``MOST``."""
        answered, lost, total = self.usual or (_USUALLY[0], 0.0, _USUALLY[1])
        return min(more(self.answered + self.lost, self.requests, answered + lost, total), MOST)

    def _beyond(self, errors: float, place: int, unknown: float) -> float:
        has_past = self.usual is not None and self.usual[2] > 0.0
        rate = self.usual[place] / self.usual[2] if self.usual is not None and has_past else unknown
        return max(errors - rate * self.requests, 0.0)


def union(graphs: Iterable[CallGraph | None]) -> CallGraph | None:
    """
    One graph of several: each pair of services is counted by the most trusted source that knows it (metrics, then
    Kiali, then traces), never twice; the rest adds edges, not events.
    """
    given = [graph for graph in graphs if graph is not None]
    if not given:
        return None
    rows: dict[Pair, list[tuple[int, int, Edge]]] = {}
    for place, graph in enumerate(given):
        for edge in graph.edges:
            trust = min((_TRUST[source] for source in edge.sources), default=len(_TRUST))
            rows.setdefault((edge.caller, edge.callee), []).append((trust, place, edge))
    edges: list[Edge] = []
    for pair in sorted(rows):
        best = min((trust, place) for trust, place, _ in rows[pair])
        edges += [edge for trust, place, edge in rows[pair] if (trust, place) == best]
    return CallGraph(max(graph.at for graph in given), max(graph.seconds for graph in given), tuple(edges))


def ledger(graph: CallGraph, usual: CallGraph | None) -> dict[Pair, Line]:
    """The lines, summed over workloads; callers outside the mesh included."""
    before: dict[Pair, tuple[float, float, float]] = {}
    for pair, answered, lost, requests in _parted(usual):
        old = before.get(pair, (0.0, 0.0, 0.0))
        before[pair] = (old[0] + answered, old[1] + lost, old[2] + requests)
    ledger_lines: dict[Pair, Line] = {}
    for pair, answered, lost, requests in _parted(graph):
        line = ledger_lines.get(pair, Line(0.0, 0.0, 0.0, before.get(pair)))
        ledger_lines[pair] = Line(line.requests + requests, line.answered + answered, line.lost + lost, line.usual)
    return ledger_lines


def _parted(graph: CallGraph | None) -> Iterator[tuple[Pair, float, float, float]]:
    """Each edge: its ends, errors answered, calls lost, requests."""
    for edge in graph.edges if graph is not None else ():
        lost = _lost(edge)
        yield (edge.caller, edge.callee), max(edge.errors - lost, 0.0), lost, edge.requests


def _lost(edge: Edge) -> float:
    """
    Errors that the callee never saw: by flag where flags are known, else what is missing beyond chance. What the callee
    counted itself did reach it, whatever the caller's flags say.
    """
    unseen = edge.errors if edge.callee_errors is None else max(edge.errors - edge.callee_errors, 0.0)
    if edge.errors_by_flag:
        flagged = sum(count for flag, count in edge.errors_by_flag.items() if flags_of(flag) - _ANSWERED)
        return min(flagged, unseen, edge.errors)
    if edge.callee_errors is None:
        return 0.0
    return min(max(unseen - 2.0 * math.sqrt(edge.errors), 0.0), edge.errors)


def ledger_evidence(
    inputs: AttributionInputs, lines: Mapping[Pair, Line], handed_up: Mapping[Pair, float]
) -> ServiceEvidence | None:
    """
    Who the errors come from. ``handed_up``: the part of a callee's errors that fail the caller too, 1 unless known.
    """
    if inputs.target is not None and inputs.target.measure is not Measure.ERROR_RATE:
        return None
    passed = {pair: line.more_answered * handed_up.get(pair, 1.0) for pair, line in lines.items()}
    lost = {pair: line.more_lost for pair, line in lines.items()}
    suffered = _suffered(lines)
    below: dict[ServiceRef, float] = {}
    for pair in lines:
        below[pair[0]] = below.get(pair[0], 0.0) + _handed(pair, passed, lost)
    own = {service: max(amount - below.get(service, 0.0), 0.0) for service, amount in suffered.items()}
    inner = {pair: amount for pair, amount in passed.items() if pair[0] not in OUTSIDE}
    start = {inputs.target.service: 1.0} if inputs.target is not None else _tops(suffered, inner, lost, lines)
    stay = flow(start, own, inner, {pair: amount for pair, amount in lost.items() if pair[0] not in OUTSIDE})
    if not stay.services and not stay.edges:
        return None
    services, others = placed(stay, lines, inputs)
    # Another service may be in far surer trouble; that says nothing of these.
    concerned = (line for pair, line in lines.items() if pair[1] in stay.services or pair in stay.edges)
    score = max((line.certainty for line in concerned), default=0.0)
    return ServiceEvidence("errors", score, services, others, _texts(lines, own), stay.inherited)


def _handed(pair: Pair, passed: Mapping[Pair, float], lost: Mapping[Pair, float]) -> float:
    return passed.get(pair, 0.0) + lost.get(pair, 0.0)


def _suffered(lines: Mapping[Pair, Line]) -> dict[ServiceRef, float]:
    """What each service answered wrongly to its callers."""
    amounts: dict[ServiceRef, float] = {}
    for (_, callee), line in lines.items():
        amounts[callee] = amounts.get(callee, 0.0) + line.more_answered
    return amounts


def _tops(
    suffered: Mapping[ServiceRef, float],
    passed: Mapping[Pair, float],
    lost: Mapping[Pair, float],
    lines: Mapping[Pair, Line],
) -> dict[ServiceRef, float]:
    """Without a target: services in trouble that hand it to nobody else in the ledger, by how much and how surely."""
    sure: dict[ServiceRef, float] = {}
    for pair, line in lines.items():
        for end in pair:
            sure[end] = max(sure.get(end, 0.0), line.certainty)
    amounts = {service: amount for service, amount in suffered.items() if amount > 0.0}
    for pair in passed.keys() | lost.keys():
        amounts.setdefault(pair[0], 0.0)
        if pair[0] not in OUTSIDE:
            amounts[pair[0]] = max(amounts[pair[0]], _handed(pair, passed, lost))
    amounts = {service: amount * sure[service] / (sure[service] + _HALF_SURE) for service, amount in amounts.items()}
    handed = {callee for (caller, callee), amount in passed.items() if amount > 0.0 and caller != callee}
    return tops({service: amounts[service] for service in sorted(amounts)}, handed)


def tops(amounts: Mapping[ServiceRef, float], called: Container[ServiceRef]) -> dict[ServiceRef, float]:
    """
    Where responsibility begins without a target: shares of the troubled services that no other one calls (of all, where
    each is called), summing to 1; empty without trouble.
    """
    troubled = {service: amount for service, amount in amounts.items() if amount > 0.0}
    uncalled = {service: amount for service, amount in troubled.items() if service not in called} or troubled
    whole = sum(uncalled.values())
    return {service: amount / whole for service, amount in uncalled.items()}


def placed(
    stay: Responsibility, lines: Mapping[Pair, Line], inputs: AttributionInputs
) -> tuple[dict[ServiceRef, float], dict[Cause, float]]:
    """Calls that got lost are the edge's when others reach the callee; else it is as likely the callee's."""
    services: dict[ServiceRef, float] = {}
    others: dict[Cause, float] = {}

    def add(service: ServiceRef, share: float) -> None:
        if service not in inputs.external:
            services[service] = services.get(service, 0.0) + share
            return
        outside = Cause(CauseKind.EXTERNAL, service.namespace, service.name, service)
        others[outside] = others.get(outside, 0.0) + share

    for service, share in stay.services.items():
        add(service, share)
    for (caller, callee), share in sorted(stay.edges.items()):
        edge, to_edge = edge_cause(caller, callee), _edge_part(caller, callee, lines)
        others[edge] = others.get(edge, 0.0) + share * to_edge
        add(callee, share * (1.0 - to_edge))
    return services, others


def _edge_part(caller: ServiceRef, callee: ServiceRef, lines: Mapping[Pair, Line]) -> float:
    mine = lines[(caller, callee)]
    others = [line for (other_caller, other), line in lines.items() if other == callee and other_caller != caller]
    calls = sum(line.requests for line in others)
    if calls <= 0.0:
        return 0.5
    rate = sum(line.more_lost for line in others) / calls
    return 0.9 if rate < _ONE_CALLER * mine.more_lost / max(mine.requests, 1.0) else 0.1


def _texts(lines: Mapping[Pair, Line], own: Mapping[ServiceRef, float]) -> dict[ServiceRef, str]:
    texts: dict[ServiceRef, str] = {}
    into: dict[ServiceRef, list[Line]] = {}
    for (_, callee), line in lines.items():
        into.setdefault(callee, []).append(line)
    for service, amount in own.items():
        mine = into[service]
        errors, requests = sum(line.answered for line in mine), sum(line.requests for line in mine)
        texts[service] = (
            f"{errors:.0f} errors in {requests:.0f} requests, {amount:.0f} not accounted for by its callees"
        )
    return texts


_ALONE: Final = 0.25
"""Others are served well when they fail at less than this part of the one caller's rate."""
_CERTAIN: Final = 6.0
"""Score by which the one caller's requests must fail more than the others'."""
_PART: Final = 0.9
"""Of a service's own errors so much is then the caller's: a fault in what only it asks for looks the same."""


def lone_callers(lines: Mapping[Pair, Line]) -> dict[ServiceRef, ServiceRef]:
    """Each service that answers a single one of its callers with errors beyond the usual, and that caller."""
    callees: dict[ServiceRef, list[tuple[ServiceRef, Line]]] = {}
    for (caller, callee), line in lines.items():
        callees.setdefault(callee, []).append((caller, line))
    lone: dict[ServiceRef, ServiceRef] = {}
    for callee, called in callees.items():
        caller, mine = max(called, key=lambda item: (_rate(item[1]), item[0]))
        others = [line for other, line in called if other != caller]
        bad, total = sum(line.more_answered for line in others), sum(line.requests for line in others)
        # Whoever is outside is many.
        if not total or caller in OUTSIDE or bad / total >= _ALONE * _rate(mine):
            continue
        if more(mine.more_answered, mine.requests, bad, total) >= _CERTAIN:
            lone[callee] = caller
    return lone


def _rate(line: Line) -> float:
    return line.more_answered / line.requests if line.requests > 0.0 else 0.0


def with_callers(service_evidence: ServiceEvidence, lone: Mapping[ServiceRef, ServiceRef]) -> ServiceEvidence:
    """The same evidence; most of the share of a service that fails one caller only is that caller's."""
    services, others, texts = (
        dict(service_evidence.services),
        dict(service_evidence.others),
        dict(service_evidence.texts),
    )
    for callee, caller in sorted(lone.items()):
        share = services.get(callee, 0.0)
        if share <= 0.0:
            continue
        cause = Cause(CauseKind.CALLER, caller.namespace, caller.name, caller, None, callee)
        services[callee] = share * (1.0 - _PART)
        others[cause] = others.get(cause, 0.0) + share * _PART
        text = f"only {caller} is answered with errors"
        texts[callee] = f"{texts[callee]}; {text}" if callee in texts else text
    return replace(service_evidence, services=services, others=others, texts=texts)
