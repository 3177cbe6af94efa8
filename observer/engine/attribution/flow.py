"""
Who accounts for whose trouble: responsibility flows from the service that hurts down the calls, and stays where the
callees account for nothing more. This is what makes a victim a victim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from observer.domain.ids import ServiceRef

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
    callees: dict[ServiceRef, list[ServiceRef]] = {}
    for caller, callee in sorted(set(passed) | set(lost)):
        if caller != callee:
            callees.setdefault(caller, []).append(callee)
    arrived = dict.fromkeys(callees, 0.0) | dict(start)
    services: dict[ServiceRef, float] = {}
    edges: dict[Pair, float] = {}
    inherited: dict[ServiceRef, float] = {}
    order, kept = _downwards(sorted(start), callees)
    for service in order:
        amount = arrived.get(service, 0.0)
        ways = [callee for callee in callees.get(service, ()) if (service, callee) in kept]
        mine = own.get(service, 0.0)
        got = sum(passed.get((service, one), 0.0) + lost.get((service, one), 0.0) for one in callees.get(service, ()))
        if mine + got > 0.0:
            # What came back round a circle was not its own either, though responsibility does not run there.
            inherited[service] = got / (mine + got)
        below = sum(passed.get((service, one), 0.0) + lost.get((service, one), 0.0) for one in ways)
        total = mine + below
        if total <= 0.0 or amount <= 0.0:
            continue
        services[service] = services.get(service, 0.0) + amount * mine / total
        for one in ways:
            pair = (service, one)
            arrived[one] = arrived.get(one, 0.0) + amount * passed.get(pair, 0.0) / total
            if lost.get(pair, 0.0) > 0.0:
                edges[pair] = edges.get(pair, 0.0) + amount * lost[pair] / total
    return Responsibility({one: share for one, share in services.items() if share > 0.0}, edges, inherited)


def _downwards(
    start: list[ServiceRef], callees: Mapping[ServiceRef, list[ServiceRef]]
) -> tuple[list[ServiceRef], set[Pair]]:
    """Services below ``start``, callers before callees, and the calls that do not lead back."""
    done: list[ServiceRef] = []
    state: dict[ServiceRef, int] = {}
    kept: set[Pair] = set()
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
                kept.add((service, following))
                if following not in state:
                    state[following] = 1
                    stack.append((following, iter(callees.get(following, ()))))
    return done[::-1], kept
