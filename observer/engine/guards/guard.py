"""What a guard is: a pure question about one action, and what people are told about its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from observer.domain.decision import Allowed, Blocked
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext


class No(NamedTuple):
    """
    Why it may not be done. ``detail`` are the figures for people; ``final`` = waiting changes nothing (opt-out, system
    pod), so nothing is asked again.
    """

    reason: Reason
    detail: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """
    One guard.

    Attributes:
        asks: the question; None = no objection.
        looks_at: the figures it decides by. setting: what moves it, and where that is written; empty = nothing does.
        advice: each reason that it gives, with what a person does about it.
    """

    name: GuardName
    asks: Callable[[GuardContext], No | None]
    looks_at: str
    setting: str
    advice: Mapping[Reason, str]

    def __call__(self, context: GuardContext) -> Allowed | Blocked:
        answer = self.asks(context)
        if answer is None:
            return Allowed(self.name)
        return Blocked(self.name, answer.reason, answer.detail, refused=answer.final)


def guard(
    name: GuardName, *, looks_at: str, setting: str = "", advice: Mapping[Reason, str]
) -> Callable[[Callable[[GuardContext], No | None]], Guard]:
    """Make a guard of a function."""

    def make(asks: Callable[[GuardContext], No | None]) -> Guard:
        return Guard(name, asks, looks_at, setting, advice)

    return make
