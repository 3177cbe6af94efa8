"""
Is it who asks, or who answers? A service that fails one caller's requests, and nobody else's, is asked something that
it cannot answer: its pods are no worse than they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from observer.domain.attribution import Cause, CauseKind
from observer.domain.ids import ServiceRef
from observer.engine.attribution.ballots import ServiceEvidence
from observer.engine.attribution.binomial import more
from observer.engine.attribution.flow import Pair
from observer.engine.attribution.ledger import OUTSIDE, Line

_ALONE: Final = 0.25
"""Others are served well when they fail at less than this part of the one caller's rate."""
_CERTAIN: Final = 6.0
"""Nats by which the one caller's requests must fail more than the others'."""
_PART: Final = 0.9
"""Of a service's own errors so much is then the caller's: a fault in what only it asks for looks the same."""


def lone_callers(lines: Mapping[Pair, Line]) -> dict[ServiceRef, ServiceRef]:
    """Each service that answers a single one of its callers with errors beyond the usual, and that caller."""
    callees: dict[ServiceRef, list[tuple[ServiceRef, Line]]] = {}
    for (caller, callee), line in lines.items():
        callees.setdefault(callee, []).append((caller, line))
    found: dict[ServiceRef, ServiceRef] = {}
    for callee, called in callees.items():
        caller, mine = max(called, key=lambda one: (_rate(one[1]), one[0]))
        others = [line for one, line in called if one != caller]
        bad, total = sum(line.more_answered for line in others), sum(line.requests for line in others)
        # Whoever is outside is many.
        if not total or caller in OUTSIDE or bad / total >= _ALONE * _rate(mine):
            continue
        if more(mine.more_answered, mine.requests, bad, total) >= _CERTAIN:
            found[callee] = caller
    return found


def _rate(line: Line) -> float:
    return line.more_answered / line.requests if line.requests > 0.0 else 0.0


def with_callers(ballot: ServiceEvidence, lone: Mapping[ServiceRef, ServiceRef]) -> ServiceEvidence:
    """The same ballot; most of the share of a service that fails one caller only is that caller's."""
    services, others, texts = dict(ballot.services), dict(ballot.others), dict(ballot.texts)
    for callee, caller in sorted(lone.items()):
        share = services.get(callee, 0.0)
        if share <= 0.0:
            continue
        cause = Cause(CauseKind.CALLER, caller.namespace, caller.name, caller, None, callee)
        services[callee] = share * (1.0 - _PART)
        others[cause] = others.get(cause, 0.0) + share * _PART
        told = f"only {caller} is answered with errors"
        texts[callee] = f"{texts[callee]}; {told}" if callee in texts else told
    return replace(ballot, services=services, others=others, texts=texts)
