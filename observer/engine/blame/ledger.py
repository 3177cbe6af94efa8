"""
The ledger of calls: for each caller and callee what either of them counted.

Errors that both saw came from the callee or from below it; errors that only the caller saw never reached it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from observer.domain.blame import BlameInputs, Cause, CauseKind, Measure
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import ServiceRef
from observer.engine.blame.ballots import Ballot
from observer.engine.blame.binomial import more
from observer.engine.blame.contrast import MOST
from observer.engine.blame.flow import Pair, Stay, flow

_TRUST: Final = {EdgeSource.METRICS: 0, EdgeSource.KIALI: 1, EdgeSource.TRACES: 2}
_USUALLY: Final = (0.5, 500.0)
"""What is believed of calls without a past: one error in a thousand, and no more certain than that."""
_ONE_CALLER: Final = 0.25
"""A callee is reached by others when they lose less than this part of what the unlucky caller loses."""
_OUTSIDE: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """
    One caller and callee: events of the window. ``lost`` are the errors that never reached the callee; ``answered``
    the ones it answered with; ``usual`` = (errors, requests) before, None when unknown.
    """

    requests: float
    answered: float
    lost: float
    usual: tuple[float, float] | None

    @property
    def usual_rate(self) -> float:
        bad, total = self.usual or _USUALLY
        return bad / total if total > 0.0 else _USUALLY[0] / _USUALLY[1]

    def excess(self, errors: float) -> float:
        """Errors beyond what was usual."""
        return max(errors - self.usual_rate * self.requests, 0.0)


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
    before: dict[Pair, tuple[float, float]] = {}
    for edge in usual.edges if usual is not None else ():
        errors, requests = before.get((edge.caller, edge.callee), (0.0, 0.0))
        before[(edge.caller, edge.callee)] = (errors + edge.errors, requests + edge.requests)
    found: dict[Pair, Line] = {}
    for edge in graph.edges:
        pair = (edge.caller, edge.callee)
        lost = _lost(edge)
        old = found.get(pair, Line(0.0, 0.0, 0.0, before.get(pair)))
        found[pair] = Line(
            old.requests + edge.requests, old.answered + max(edge.errors - lost, 0.0), old.lost + lost, old.usual
        )
    return found


def _lost(edge: Edge) -> float:
    """Errors that the callee never saw: by flag where flags are known, else what is missing beyond chance."""
    if edge.errors_by_flag:
        return min(sum(count for flag, count in edge.errors_by_flag.items() if flag), edge.errors)
    if edge.callee_errors is None:
        return 0.0
    return min(max(edge.errors - edge.callee_errors - 2.0 * math.sqrt(edge.errors), 0.0), edge.errors)


def ledger_ballot(inputs: BlameInputs, lines: Mapping[Pair, Line], handed_up: Mapping[Pair, float]) -> Ballot | None:
    """
    Who the errors come from. ``handed_up``: the part of a callee's errors that fail the caller too, 1 unless known.
    """
    if inputs.target is not None and inputs.target.measure is not Measure.ERROR_RATE:
        return None
    passed = {pair: line.excess(line.answered) * handed_up.get(pair, 1.0) for pair, line in lines.items()}
    lost = {pair: line.lost for pair, line in lines.items()}
    suffered = _suffered(lines)
    own = {
        service: max(amount - sum(_handed(one, passed, lost) for one in lines if one[0] == service), 0.0)
        for service, amount in suffered.items()
    }
    inner = {pair: amount for pair, amount in passed.items() if pair[0].name != _OUTSIDE}
    start = {inputs.target.service: 1.0} if inputs.target is not None else _tops(suffered, inner, lost)
    stay = flow(start, own, inner, {pair: amount for pair, amount in lost.items() if pair[0].name != _OUTSIDE})
    if not stay.services and not stay.edges:
        return None
    services, others = placed(stay, lines, inputs)
    nats = max(_certainty(line) for line in lines.values())
    return Ballot("errors", nats, services, others, _texts(lines, own), stay.inherited)


def _handed(pair: Pair, passed: Mapping[Pair, float], lost: Mapping[Pair, float]) -> float:
    return passed.get(pair, 0.0) + lost.get(pair, 0.0)


def _suffered(lines: Mapping[Pair, Line]) -> dict[ServiceRef, float]:
    """What each service answered wrongly to its callers."""
    found: dict[ServiceRef, float] = {}
    for (_, callee), line in lines.items():
        found[callee] = found.get(callee, 0.0) + line.excess(line.answered)
    return found


def _tops(
    suffered: Mapping[ServiceRef, float], passed: Mapping[Pair, float], lost: Mapping[Pair, float]
) -> dict[ServiceRef, float]:
    """Without a target: services in trouble that hand it to nobody else in the ledger."""
    amounts = {service: amount for service, amount in suffered.items() if amount > 0.0}
    for pair in passed.keys() | lost.keys():
        amounts.setdefault(pair[0], 0.0)
        if pair[0].name != _OUTSIDE:
            amounts[pair[0]] = max(amounts[pair[0]], _handed(pair, passed, lost))
    handed = {callee for (caller, callee), amount in passed.items() if amount > 0.0 and caller != callee}
    tops = {service: amount for service, amount in amounts.items() if amount > 0.0 and service not in handed}
    tops = tops or {service: amount for service, amount in amounts.items() if amount > 0.0}
    whole = sum(tops.values())
    return {service: amount / whole for service, amount in sorted(tops.items())} if whole > 0.0 else {}


def placed(
    stay: Stay, lines: Mapping[Pair, Line], inputs: BlameInputs
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
    rate = sum(line.lost for line in others) / calls
    return 0.9 if rate < _ONE_CALLER * mine.lost / max(mine.requests, 1.0) else 0.1


def _certainty(line: Line) -> float:
    bad, total = line.usual or _USUALLY
    return min(more(line.answered + line.lost, line.requests, bad, total), MOST)


def _texts(lines: Mapping[Pair, Line], own: Mapping[ServiceRef, float]) -> dict[ServiceRef, str]:
    texts: dict[ServiceRef, str] = {}
    for service, amount in own.items():
        mine = [line for (_, callee), line in lines.items() if callee == service]
        errors, requests = sum(one.answered for one in mine), sum(one.requests for one in mine)
        texts[service] = (
            f"{errors:.0f} errors in {requests:.0f} requests, {amount:.0f} not accounted for by its callees"
        )
    return texts
