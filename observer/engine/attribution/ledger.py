"""
The ledger of calls: for each caller and callee what either of them counted.

Errors that both saw came from the callee or from below it; errors that only the caller saw never reached it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from observer.domain.attribution import AttributionInputs, Cause, CauseKind, Measure
from observer.domain.classify import flags_of
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import ServiceRef
from observer.engine.attribution.ballots import ServiceEvidence
from observer.engine.attribution.binomial import more
from observer.engine.attribution.contrast import MOST
from observer.engine.attribution.flow import Pair, Responsibility, flow

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
"""Nats at which trouble counts half when several services with no callers in trouble share the blame."""


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
        """Nats for more errors than usual, 0..``MOST``."""
        answered, lost, total = self.usual or (_USUALLY[0], 0.0, _USUALLY[1])
        return min(more(self.answered + self.lost, self.requests, answered + lost, total), MOST)

    def _beyond(self, errors: float, place: int, unknown: float) -> float:
        known = self.usual is not None and self.usual[2] > 0.0
        rate = self.usual[place] / self.usual[2] if self.usual is not None and known else unknown
        return max(errors - rate * self.requests, 0.0)


def union(graphs: Iterable[CallGraph | None]) -> CallGraph | None:
    """
    One graph of several: each pair of services is counted by the most trusted source that knows it (metrics, then
    Kiali, then traces), never twice; the rest adds edges, not events.
    """
    known = [graph for graph in graphs if graph is not None]
    if not known:
        return None
    rows: dict[Pair, list[tuple[int, int, Edge]]] = {}
    for place, graph in enumerate(known):
        for edge in graph.edges:
            trust = min((_TRUST[source] for source in edge.sources), default=len(_TRUST))
            rows.setdefault((edge.caller, edge.callee), []).append((trust, place, edge))
    edges: list[Edge] = []
    for pair in sorted(rows):
        best = min((trust, place) for trust, place, _ in rows[pair])
        edges += [edge for trust, place, edge in rows[pair] if (trust, place) == best]
    return CallGraph(max(one.at for one in known), max(one.seconds for one in known), tuple(edges))


def ledger(graph: CallGraph, usual: CallGraph | None) -> dict[Pair, Line]:
    """The lines, summed over workloads; callers outside the mesh included."""
    before: dict[Pair, tuple[float, float, float]] = {}
    for pair, answered, lost, requests in _parted(usual):
        old = before.get(pair, (0.0, 0.0, 0.0))
        before[pair] = (old[0] + answered, old[1] + lost, old[2] + requests)
    found: dict[Pair, Line] = {}
    for pair, answered, lost, requests in _parted(graph):
        line = found.get(pair, Line(0.0, 0.0, 0.0, before.get(pair)))
        found[pair] = Line(line.requests + requests, line.answered + answered, line.lost + lost, line.usual)
    return found


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
    found: dict[ServiceRef, float] = {}
    for (_, callee), line in lines.items():
        found[callee] = found.get(callee, 0.0) + line.more_answered
    return found


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
    amounts = {one: amount * sure[one] / (sure[one] + _HALF_SURE) for one, amount in amounts.items()}
    handed = {callee for (caller, callee), amount in passed.items() if amount > 0.0 and caller != callee}
    tops = {service: amount for service, amount in amounts.items() if amount > 0.0 and service not in handed}
    tops = tops or {service: amount for service, amount in amounts.items() if amount > 0.0}
    whole = sum(tops.values())
    return {service: amount / whole for service, amount in sorted(tops.items())} if whole > 0.0 else {}


def placed(
    stay: Responsibility, lines: Mapping[Pair, Line], inputs: AttributionInputs
) -> tuple[dict[ServiceRef, float], dict[Cause, float]]:
    """Calls that got lost are the edge's when others reach the callee; else it is as likely the callee's."""
    services = {one: share for one, share in stay.services.items() if one not in inputs.external}
    others = {
        Cause(CauseKind.EXTERNAL, one.namespace, one.name, one): share
        for one, share in stay.services.items()
        if one in inputs.external
    }
    for (caller, callee), share in sorted(stay.edges.items()):
        edge = Cause(CauseKind.EDGE, callee.namespace, f"{caller.name}->{callee.name}", caller, None, callee)
        to_edge = _edge_part(caller, callee, lines)
        others[edge] = others.get(edge, 0.0) + share * to_edge
        if callee in inputs.external:
            stranger = Cause(CauseKind.EXTERNAL, callee.namespace, callee.name, callee)
            others[stranger] = others.get(stranger, 0.0) + share * (1.0 - to_edge)
        else:
            services[callee] = services.get(callee, 0.0) + share * (1.0 - to_edge)
    return services, others


def _edge_part(caller: ServiceRef, callee: ServiceRef, lines: Mapping[Pair, Line]) -> float:
    mine = lines[(caller, callee)]
    others = [line for (one, other), line in lines.items() if other == callee and one != caller]
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
        errors, requests = sum(one.answered for one in mine), sum(one.requests for one in mine)
        texts[service] = (
            f"{errors:.0f} errors in {requests:.0f} requests, {amount:.0f} not accounted for by its callees"
        )
    return texts
