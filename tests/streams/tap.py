"""
Listens to the four questions that the engine answers, wherever they are asked, and writes each answer as a plain row.

A row holds no text for people and no hash: instants, words and figures to nine digits. Incidents are numbered in the
order in which they appear. Rows of one scene are equal exactly when the engine decided the same.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from observer.domain.action import Action
from observer.domain.decision import Decision
from observer.domain.outcome import Outcome
from observer.engine.decide import apply_outcome, decide, floor_check, recover
from observer.engine.memory import Memory

Value = str | float | bool | None | list["Value"] | dict[str, "Value"]
Row = list[Value]
Answer = tuple[Memory, tuple[Decision, ...]]

QUESTIONS: Mapping[str, Callable[..., Answer]] = {
    "decide": decide,
    "floor": floor_check,
    "recover": recover,
    "settle": apply_outcome,
}
_SIGNED = re.compile(r"[+-]\d+\.\d+(?=:)")
_INSTANTS = 1e8
"""Above it a figure is an instant: Unix seconds, kept to the millisecond."""
_PATHS = frozenset({"evidence_at"})
"""Figures that name a place on the machine."""


@dataclass
class Stream:
    """What was answered while the tap was open."""

    rows: list[Row] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    _numbers: dict[str, str] = field(default_factory=dict)
    _phases: dict[str, str] = field(default_factory=dict)

    def end(self) -> list[Row]:
        """All rows, with the number of questions of each kind as the last."""
        return [*self.rows, ["calls", {name: float(count) for name, count in sorted(self.calls.items())}]]

    def heard(self, name: str, asked: list[object], memory: Memory, decisions: tuple[Decision, ...]) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        self.rows += [["outcome", *_outcome(one)] for one in asked if isinstance(one, Outcome)]
        self.rows += [[name, *self._decision(one)] for one in decisions]
        for key, incident in memory.incidents.items():
            if self._phases.get(key) != incident.phase.value:
                self._phases[key] = incident.phase.value
                self.rows.append(["phase", self._number(key), incident.phase.value])

    def _number(self, incident: str) -> str:
        if not incident:
            return ""
        return self._numbers.setdefault(incident, f"#{len(self._numbers)}")

    def _decision(self, one: Decision) -> Row:
        return [
            _plain(one.at),
            _plain(one.kind),
            _plain(one.reason),
            _plain(one.verdict),
            _plain(one.severity),
            _plain(one.action_kind),
            _plain(one.mode),
            one.subject,
            self._number(one.incident),
            [str(part) if part is not None else None for part in (one.pod, one.service, one.workload)],
            self._action(one.action),
            _outcome(one.outcome) if one.outcome is not None else None,
            [[_plain(block.guard), _plain(block.reason), block.refused] for block in one.blocked_by],
            {key: _figure(key, value) for key, value in sorted(one.figures.items()) if key not in _PATHS},
        ]

    def _action(self, action: Action | None) -> Row | None:
        if action is None:
            return None
        return [
            _plain(action.action_kind),
            str(action.pod),
            self._number(action.incident),
            action.attempt,
            action.resource_version,
            _plain(action.expires),
            action.term,
            action.dry_run,
            _plain(action.reason),
        ]


class _Tap:
    """What stands in for a question. A module that was loaded meanwhile keeps it: then it only passes on."""

    stream: Stream | None = None
    depth = 0

    def over(self, name: str, question: Callable[..., Answer]) -> Callable[..., Answer]:
        """The question, listened to; what one asks of another on its way is not."""

        @functools.wraps(question)
        def asked(*args: object, **more: object) -> Answer:
            self.depth += 1
            try:
                memory, decisions = question(*args, **more)
            finally:
                self.depth -= 1
            if self.stream is not None and not self.depth:
                self.stream.heard(name, [*args, *more.values()], memory, decisions)
            return memory, decisions

        return asked


_TAP = _Tap()
_LISTENED = {id(question): _TAP.over(name, question) for name, question in QUESTIONS.items()}


@contextmanager
def listening() -> Iterator[Stream]:
    """Every module of the tree asks through the stream until the end."""
    changed = []
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] in ("observer", "tests")]:
        if module.__name__ == __name__:
            continue
        for name, value in list(vars(module).items()):
            if id(value) in _LISTENED:
                changed.append((module, name, value))
                setattr(module, name, _LISTENED[id(value)])
    _TAP.stream = Stream()
    try:
        yield _TAP.stream
    finally:
        _TAP.stream = None
        for module, name, value in changed:
            setattr(module, name, value)


def _outcome(outcome: Outcome) -> Row:
    return [_plain(outcome.result), _plain(outcome.reason), _plain(outcome.retry_after)]


def _plain(value: object) -> Value:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return round(value, 3) if abs(value) > _INSTANTS else float(f"{value:.9g}")
    return value if isinstance(value, bool | int) or value is None else str(value)


def _figure(key: str, value: object) -> Value:
    if key.endswith("_evidence") and isinstance(value, str):
        return " ".join(_SIGNED.findall(value))  # the words around it are for people
    return _plain(value)
