"""``observer replay``: a recording, decided again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from observer.cli.application import Config, Json, app, settings_from
from observer.cli.output import show
from observer.domain.errors import RecordingError

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.domain.cluster import ClusterView
    from observer.domain.decision import Decision
    from observer.recording.events import Event, RulesInForce
    from observer.recording.replay import Step, WhatIf


SHOWN = 200
"""Differences that are kept; the rest is counted."""
_OF_RULES = frozenset({"id", "config", "mode", "action", "outcome"})
"""Fields that differ under other rules whatever is decided: they name the rules, or what came of an act then."""


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
        from observer.cli.check import named

        settings = settings_from(config)
        tried = what_if(replace(settings, policies=named(policy, "--policy ")) if policy else settings)
    code, body, text = run_replay(file, tried)
    show(body, text, json=json)
    raise SystemExit(code)


def what_if(settings: Settings) -> WhatIf:
    """Replay under the mode, impact, ladder, guards and policies of ``settings``; tick and detection stay."""
    from observer.app import now
    from observer.config.policies.effective import EffectivePolicyCache
    from observer.config.reload import rules_of
    from observer.recording.events import RulesInForce

    rules = rules_of(settings, now())
    keepers: dict[float, EffectivePolicyCache] = {}

    def ruling(recorded: RulesInForce, cluster: ClusterView | None) -> RulesInForce:
        wanted = rules.settings.engine
        engine = replace(wanted, tick=recorded.settings.tick, detection=recorded.settings.detection)
        if engine.tick not in keepers:
            keepers[engine.tick] = EffectivePolicyCache(rules.policies.beneath(replace(rules.settings, engine=engine)))
        return RulesInForce(engine, keepers[engine.tick].policies(cluster, cluster.at if cluster is not None else 0.0))

    return ruling


def run_replay(path: Path, tried: WhatIf | None) -> tuple[int, dict[str, Any], str]:
    """Exit code (1 = the same rules gave other decisions), body for machines, text for people."""
    from observer.recording.files import Recording
    from observer.recording.replay import replay as replayed

    ticks = decided = different = 0
    differences: list[dict[str, Any]] = []
    with Recording(path) as recording:
        counter = _Ticks(recording.events())
        for step in replayed(counter, tried):
            decided += len(step.recorded)
            if step.same:
                continue
            # Without other rules every byte counts, the order of decisions included.
            found = _difference(step, _OF_RULES) if tried is not None else _difference(step) or _all(step)
            if found:
                different += 1
                if len(differences) < SHOWN:
                    differences.append(found)
        ticks = counter.ticks
        if not ticks:
            cut = "; its end is missing" if recording.cut else ""
            raise RecordingError(f"{path}: holds no tick, so it proves nothing{cut}")
        body = {
            "file": str(path),
            "observer": recording.header.observer,
            "began": recording.header.began,
            "ticks": ticks,
            "decisions": decided,
            "what_if": tried is not None,
            "same": different == 0,
            "different_steps": different,
            "cut": recording.cut,
            "differences": differences,
        }
    code = 1 if different and tried is None else 0
    return code, body, _text(body)


class _Ticks:
    """The events, with the ticks among them counted."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events, self.ticks = events, 0

    def __iter__(self) -> Iterator[Event]:
        from observer.recording.events import Ticked

        for event in self._events:
            self.ticks += isinstance(event, Ticked)
            yield event


def _difference(step: Step, apart_from: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What differs in one step, empty when nothing does; decisions that read alike say in which fields they differ."""
    recorded, replayed = _by_words(step.recorded), _by_words(step.replayed)
    differing = {
        key: _differing(recorded.get(key), replayed.get(key)) - apart_from for key in recorded.keys() | replayed.keys()
    }
    if not any(differing.values()):
        return {}
    return {
        "at": step.at,
        "recorded": [_row(one, differing[key]) for key, one in recorded.items() if differing[key]],
        "replayed": [_row(one, differing[key]) for key, one in replayed.items() if differing[key]],
    }


def _all(step: Step) -> dict[str, Any]:
    order = frozenset({"order"})
    return {
        "at": step.at,
        "recorded": [_row(one, order) for one in step.recorded],
        "replayed": [_row(one, order) for one in step.replayed],
    }


def _by_words(decisions: Iterable[Decision]) -> dict[tuple[str, int], Decision]:
    """Decisions by what a person reads of them; of two that read alike the second is the second."""
    found: dict[tuple[str, int], Decision] = {}
    seen: Counter[str] = Counter()
    for one in decisions:
        words = f"{one.kind}\n{one.verdict.value}\n{one.subject}\n{one.reason}\n{one.text}"
        found[words, seen[words]] = one
        seen[words] += 1
    return found


def _differing(one: Decision | None, other: Decision | None) -> frozenset[str]:
    """Names of the fields that differ, byte for byte; ``kind`` and so on when one of them is not there at all."""
    from observer.domain.decision import Decision

    if one is None or other is None:
        return frozenset({"text"})
    pairs = ((field.name, getattr(one, field.name), getattr(other, field.name)) for field in fields(Decision))
    return frozenset(name for name, mine, its in pairs if repr(mine) != repr(its))


def _row(one: Decision, differs: frozenset[str]) -> dict[str, Any]:
    return {
        "differs": sorted(differs),
        "kind": one.kind,
        "verdict": one.verdict.value,
        "subject": one.subject,
        "reason": one.reason,
        "text": one.text,
        "blocked_by": sorted(block.reason for block in one.blocked_by),
    }


def _text(body: dict[str, Any]) -> str:
    head = f"{body['file']}: {body['ticks']} ticks, {body['decisions']} decisions, by Observer {body['observer']}"
    lines = [head + (" (its end is missing)" if body["cut"] else "")]
    if body["same"]:
        lines.append("the same decisions" if body["what_if"] else "the same decisions, byte for byte")
    for one in body["differences"]:
        begun = f"+{one['at'] - body['began']:.0f} s"
        lines += [f"{begun:>8}  - {_words(row)}" for row in one["recorded"]]
        lines += [f"{begun:>8}  + {_words(row)}" for row in one["replayed"]]
    if (rest := body["different_steps"] - len(body["differences"])) > 0:
        lines.append(f"and {rest} more steps that differ")
    if not body["same"] and not body["what_if"]:
        lines.append("these settings are the recorded ones: this Observer decides otherwise than the one that recorded")
    return "\n".join(lines)


def _words(row: dict[str, Any]) -> str:
    held = f" ({', '.join(row['blocked_by'])})" if row["blocked_by"] else ""
    hidden = f" [other {', '.join(row['differs'])}]" if row["differs"] != ["text"] else ""
    return f"{row['verdict']:<5} {row['kind']:<12} {row['subject']}: {row['text'] or row['reason']}{held}{hidden}"
