"""``observer replay``: a recording, decided again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct
from msgspec.json import encode

from observer.app.commands import now
from observer.cli.application import Config, Json, app, settings_from
from observer.cli.check import named
from observer.cli.output import show
from observer.domain.cluster import ClusterView
from observer.domain.decision import Decision
from observer.domain.errors import RecordingError

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.recording.events import Event, RulesInForce
    from observer.recording.replay import Step, WhatIf


SHOWN = 200
"""Differences that are kept; the rest is counted."""
_OF_RULES = frozenset({"id", "config", "mode", "action", "outcome"})
"""Fields that differ under other rules whatever is decided: they name the rules, or what came of an action then."""


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    policy: Annotated[
        list[Path] | None, typer.Option("--policy", "-p", help="What if: these policies instead of the recorded ones.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Decide a recording again; with --policy or --config print what other rules would have decided.

    Exit codes: 0 as recorded (or a what-if), 1 the same rules decide otherwise now, 2 the file cannot be read.
    """
    tried = None
    if policy or config is not None:  # $OBSERVER_CONFIG alone must not turn a proof into a what-if
        settings = settings_from(config)
        tried = what_if(replace(settings, policies=named(policy, "--policy ")) if policy else settings)
    code, body, text = run_replay(file, tried)
    show(body, text, json=json)
    raise SystemExit(code)


def what_if(settings: Settings) -> WhatIf:
    """Replay under the mode, impact, escalation, guards and policies of ``settings``; tick and detection stay."""
    from observer.config.policies.effective import EffectivePolicyCache
    from observer.config.reload import rules_of
    from observer.recording.events import RulesInForce

    rules = rules_of(settings, now())
    caches: dict[float, EffectivePolicyCache] = {}

    def in_force(recorded: RulesInForce, cluster: ClusterView | None) -> RulesInForce:
        wanted = rules.settings.engine
        engine = replace(wanted, tick=recorded.settings.tick, detection=recorded.settings.detection)
        if engine.tick not in caches:
            caches[engine.tick] = EffectivePolicyCache(rules.policies.beneath(replace(rules.settings, engine=engine)))
        return RulesInForce(engine, caches[engine.tick].policies(cluster, cluster.at if cluster is not None else 0.0))

    return in_force


class DecisionDifference(Struct, frozen=True):
    """One decision of a step that differs, and in which fields."""

    differs: list[str]
    kind: str
    verdict: str
    subject: str
    reason: str
    text: str
    blocked_by: list[str]

    @classmethod
    def of(cls, decision: Decision, differs: frozenset[str]) -> DecisionDifference:
        """``differs`` names the fields."""
        return cls(
            differs=sorted(differs),
            kind=decision.kind,
            verdict=decision.verdict.value,
            subject=decision.subject,
            reason=decision.reason,
            text=decision.text,
            blocked_by=sorted(block.reason for block in decision.blocked_by),
        )

    def line(self) -> str:
        """For people."""
        blocked = f" ({', '.join(self.blocked_by)})" if self.blocked_by else ""
        hidden = f" [other {', '.join(self.differs)}]" if self.differs != ["text"] else ""
        return f"{self.verdict:<7} {self.kind:<12} {self.subject}: {self.text or self.reason}{blocked}{hidden}"


class StepDifference(Struct, frozen=True):
    """One step: what was recorded and what is decided now."""

    at: float
    recorded: list[DecisionDifference]
    replayed: list[DecisionDifference]


class ReplayBody(Struct, frozen=True):
    """What ``--json`` prints; at most 200 ``differences`` of ``different_steps``."""

    file: str
    observer: str
    began: float
    ticks: int
    decisions: int
    what_if: bool
    same: bool
    different_steps: int
    cut: bool
    differences: list[StepDifference]


def run_replay(path: Path, tried: WhatIf | None) -> tuple[int, ReplayBody, str]:
    """Exit code (1 = the same rules gave other decisions), body for machines, text for people."""
    from observer.recording.files import Recording
    from observer.recording.replay import replay as replayed

    decided = different = 0
    differences: list[StepDifference] = []
    with Recording(path) as recording:
        counter = _Ticks(recording.events())
        for step in replayed(counter, tried):
            decided += len(step.recorded)
            if step.same:
                continue
            # Without other rules every byte counts, the order of decisions included.
            difference = _difference(step, _OF_RULES) if tried is not None else _difference(step) or _all(step)
            if difference is not None:
                different += 1
                if len(differences) < SHOWN:
                    differences.append(difference)
        if not counter.ticks:
            cut = "; its end is missing" if recording.cut else ""
            raise RecordingError(f"{path}: holds no tick, so it proves nothing{cut}")
        header = recording.header
        body = ReplayBody(
            file=str(path),
            observer=header.observer,
            began=header.began,
            ticks=counter.ticks,
            decisions=decided,
            what_if=tried is not None,
            same=different == 0,
            different_steps=different,
            cut=recording.cut,
            differences=differences,
        )
    return 1 if different and tried is None else 0, body, _text(body)


class _Ticks:
    """The events, with the ticks among them counted."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events, self.ticks = events, 0

    def __iter__(self) -> Iterator[Event]:
        from observer.recording.events import Ticked

        for event in self._events:
            self.ticks += isinstance(event, Ticked)
            yield event


def _difference(step: Step, apart_from: frozenset[str] = frozenset()) -> StepDifference | None:
    """What differs in one step, None when nothing does; decisions that read alike say in which fields they differ."""
    recorded, replayed = _by_words(step.recorded), _by_words(step.replayed)
    differing = {
        key: _differing(recorded.get(key), replayed.get(key)) - apart_from for key in recorded.keys() | replayed.keys()
    }
    if not any(differing.values()):
        return None
    sides = [
        [DecisionDifference.of(decision, differing[key]) for key, decision in side.items() if differing[key]]
        for side in (recorded, replayed)
    ]
    return StepDifference(step.at, *sides)


def _all(step: Step) -> StepDifference:
    order = frozenset({"order"})
    sides = [[DecisionDifference.of(decision, order) for decision in side] for side in (step.recorded, step.replayed)]
    return StepDifference(step.at, *sides)


def _by_words(decisions: Iterable[Decision]) -> dict[tuple[str, int], Decision]:
    """Decisions by what a person reads of them; of two that read alike the second is the second."""
    by_words: dict[tuple[str, int], Decision] = {}
    counts: Counter[str] = Counter()
    for it in decisions:
        words = f"{it.kind}\n{it.verdict.value}\n{it.subject}\n{it.reason}\n{it.text}"
        by_words[words, counts[words]] = it
        counts[words] += 1
    return by_words


def _differing(recorded: Decision | None, replayed: Decision | None) -> frozenset[str]:
    """Names of the fields that differ, byte for byte; ``text`` when one of them is not there at all."""
    if recorded is None or replayed is None:
        return frozenset({"text"})
    pairs = ((field.name, getattr(recorded, field.name), getattr(replayed, field.name)) for field in fields(Decision))
    return frozenset(name for name, *values in pairs if encode(values[0]) != encode(values[1]))


def _text(body: ReplayBody) -> str:
    head = f"{body.file}: {body.ticks} ticks, {body.decisions} decisions, by Observer {body.observer}"
    lines = [head + (" (its end is missing)" if body.cut else "")]
    if body.same:
        lines.append("the same decisions" if body.what_if else "the same decisions, byte for byte")
    for step in body.differences:
        begun = f"+{step.at - body.began:.0f} s"
        lines += [f"{begun:>8}  - {difference.line()}" for difference in step.recorded]
        lines += [f"{begun:>8}  + {difference.line()}" for difference in step.replayed]
    if (rest := body.different_steps - len(body.differences)) > 0:
        lines.append(f"and {rest} more steps that differ")
    if not body.same and not body.what_if:
        lines.append("the same settings: this Observer decides otherwise than the one that recorded")
    return "\n".join(lines)
