"""``observer replay``: a recording, decided again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from observer.app import now
from observer.config.model import Settings
from observer.config.policies.book import BookKeeper
from observer.config.reload import rules_of
from observer.domain.cluster import ClusterView
from observer.domain.decision import Decision
from observer.domain.errors import RecordingError
from observer.recording.events import Event, Ruling, Ticked
from observer.recording.files import Recording
from observer.recording.replay import Step, WhatIf, replay

SHOWN = 200
"""Differences that are kept; the rest is counted."""


def what_if(settings: Settings) -> WhatIf:
    """Replay under the mode, impact, ladder, guards and policies of ``settings``; tick and detection stay."""
    rules = rules_of(settings, now())
    keepers: dict[float, BookKeeper] = {}

    def ruling(recorded: Ruling, cluster: ClusterView | None) -> Ruling:
        wanted = rules.settings.engine
        engine = replace(wanted, tick=recorded.settings.tick, detection=recorded.settings.detection)
        if engine.tick not in keepers:
            keepers[engine.tick] = BookKeeper(rules.policies.beneath(replace(rules.settings, engine=engine)))
        return Ruling(engine, keepers[engine.tick].book(cluster, cluster.at if cluster is not None else 0.0))

    return ruling


def run_replay(path: Path, tried: WhatIf | None) -> tuple[int, dict[str, Any], str]:
    """Exit code (1 = the same rules gave other decisions), body for machines, text for people."""
    ticks = decided = different = 0
    differences: list[dict[str, Any]] = []
    with Recording(path) as recording:
        counter = _Ticks(recording.events())
        for step in replay(counter, tried):
            decided += len(step.recorded)
            if not step.same:
                different += 1
                if len(differences) < SHOWN:
                    differences.append(_difference(step))
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
        for event in self._events:
            self.ticks += isinstance(event, Ticked)
            yield event


def _difference(step: Step) -> dict[str, Any]:
    recorded = {_brief(one): one for one in step.recorded}
    replayed = {_brief(one): one for one in step.replayed}
    return {
        "at": step.at,
        "recorded": [_row(one) for brief, one in recorded.items() if replayed.get(brief) != one],
        "replayed": [_row(one) for brief, one in replayed.items() if recorded.get(brief) != one],
    }


def _brief(one: Decision) -> tuple[str, ...]:
    return (one.kind, one.verdict.value, one.subject, one.reason, one.text)


def _row(one: Decision) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "verdict": one.verdict.value,
        "subject": one.subject,
        "reason": one.reason,
        "text": one.text,
        "holds": sorted(hold.reason for hold in one.holds),
    }


def _text(body: dict[str, Any]) -> str:
    head = f"{body['file']}: {body['ticks']} ticks, {body['decisions']} decisions, by Observer {body['observer']}"
    lines = [head + (" (its end is missing)" if body["cut"] else "")]
    if body["same"]:
        lines.append("the same decisions, byte for byte")
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
    held = f" ({', '.join(row['holds'])})" if row["holds"] else ""
    return f"{row['verdict']:<5} {row['kind']:<12} {row['subject']}: {row['text'] or row['reason']}{held}"
