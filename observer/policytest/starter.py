"""
Starter tests of one objective, as a file that a person goes on from.

What they expect follows from the arithmetic of the objective's tiers, not from a run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from observer.config.documents.durations import format_duration
from observer.config.policies.keys import API_VERSION, TEST_KIND
from observer.domain.slo import BudgetingMethod, BurnTier, NoData, Objective, Preset
from observer.engine.slo.evaluate import DEFAULT_SHORTEST
from observer.policytest.examples import Example, of_preset, of_queries
from observer.policytest.objectives import counted

STEP: Final = 30.0
"""Between two samples and between two looks, seconds."""
EVENTS: Final = 300.0
PODS: Final = 3
_SAMPLES_OF_BURN: Final = 40
Growth = Sequence[tuple[int, float, float]]
"""``(samples, good, bad)`` one after the other, events a sample."""


@dataclass(frozen=True, slots=True)
class _Story:
    """One test: what it is called, what the counters do, and what is expected at which second."""

    name: str
    values: Sequence[tuple[Example, str]]
    expect: Sequence[str]
    workload: str = ""
    changes: Sequence[str] = ()


@dataclass(slots=True)
class Starter:
    """Writes the file of one objective; ``rules`` and ``template`` are as the file must name them."""

    objective: Objective
    rules: Sequence[str]
    template: str = ""
    examples: tuple[Example, ...] = field(init=False)
    settled: int = field(init=False)
    """Samples after which the objective is no longer new."""

    def __post_init__(self) -> None:
        one = self.objective
        self.examples = of_preset(one.preset, self._pods(), one.cut_ms) if one.preset else of_queries(one)
        shortest = min((tier.short for tier in one.tiers), default=DEFAULT_SHORTEST)
        self.settled = math.ceil(max(1.5 * shortest, 2.0 * one.slice_seconds, 600.0) / STEP)

    def text(self) -> str:
        """The whole file."""
        one = self.objective
        left_out = [] if counted(one) else ["slow burn", "idle", "rollout gap", "birth", "reset"]
        left_out += ["slow burn"] if counted(one) and one.method is not BudgetingMethod.OCCURRENCES else []
        lines = [f"# Starter tests of {one.id}, {one.target:.6g} good. Change them to what your service does."]
        lines += [f"# Not written, because its method or its queries do not know them: {', '.join(left_out)}."] * bool(
            left_out
        )
        lines += [
            f"apiVersion: {API_VERSION}",
            f"kind: {TEST_KIND}",
            f"rules: {json.dumps(list(self.rules))}",
            "tests:",
        ]
        stories = [story for story in self._stories() if story.name not in left_out]
        return "\n".join(lines) + "\n" + "\n".join(self._written(story) for story in stories)

    def _stories(self) -> Iterable[_Story]:
        n, e = self.settled, EVENTS
        after = n + 20
        yield self._story("healthy", [(after, e, 0)], [self._expected(after, "ok", "")])
        yield self._story(
            "one error", [(n, e, 0), (1, e - 1, 1), (19, e, 0)], [self._expected(after, "ok", self._one_error())]
        )
        bad = self._outage()
        yield self._story("outage", [(n, e, 0), (bad, 0, e)], [self._expected(n + bad, "ok", self._said(n, bad, 1.0))])
        yield self._slow_burn()
        yield self._story("idle", [(n, e, 0), (14, 0, 0)], [self._expected(n + 14, "idle", "")])
        silent = {NoData.HOLD: "", NoData.GOOD: ""}.get(self.objective.no_data)
        yield _Story("absent", [], [self._expected(n, "absent", silent)], self._workload())
        if counted(self.objective):
            yield from self._interrupted()

    def _interrupted(self) -> Iterable[_Story]:
        """Gaps, births and resets that are no failure."""
        n, e, seconds = self.settled, EVENTS, format_duration
        gap = []
        for example in self.examples:
            before, after = _series([(n, e, 0)], example), _series([(20, e, 0)], example, first=_end(n, e, example))
            gap.append((example, f"{before} stale _x5 {after}"))
        rolling = (
            [f"{{at: {seconds(n * STEP)}, workloads: {{{self._key()}: {{rollout: true}}}}}}"] if self._key() else []
        )
        rolling += (
            [f"{{at: {seconds((n + 6) * STEP)}, workloads: {{{self._key()}: {{rollout: false}}}}}}"] if rolling else []
        )
        expect = [self._expected(n + 5, None, ""), self._expected(n + 25, "ok", "")]
        yield _Story("rollout gap", gap, expect, self._workload(), rolling)
        born = [(example, _series([(n + 20, e, 0)], example)) for example in self.examples]
        more = []
        if self.objective.preset:
            more = [f"{{at: {seconds(n * STEP)}, workloads: {{{self._key()}: {{replicas: {PODS + 1}}}}}}}"]
        else:
            born += [(_also(example), f"_x{n} {_series([(20, e, 0)], example)}") for example in self.examples]
        yield _Story(
            "birth", born, [self._expected(n + 2, "ok", ""), self._expected(n + 20, "ok", "")], self._workload(), more
        )
        reset = [
            (example, f"{_series([(n, e, 0)], example)} {_series([(20, e, 0)], example)}") for example in self.examples
        ]
        if self.objective.preset:
            more = [
                f"{{at: {seconds(n * STEP + STEP)}, workloads: {{{self._key()}: {{pods: {{{self._all_restart()}}}}}}}}}"
            ]
        yield _Story(
            "reset",
            reset,
            [self._expected(n + 2, None, ""), self._expected(n + 20, "ok", "")],
            self._workload(),
            more if self.objective.preset else [],
        )

    # --- arithmetic

    def _limits(self) -> list[tuple[BurnTier, float]]:
        return [(tier, tier.factor * self.objective.allowed) for tier in self.objective.tiers]

    def _one_error(self) -> str | None:
        """Whether one bad event tells anybody is a matter of ``min-bad-events``."""
        return "" if self.objective.low_traffic.min_bad > 1 else None

    def _outage(self) -> int:
        """Samples of nothing but failures until the first tier that can be reached is over in both windows."""
        before, found = self.settled, []
        for tier, limit in self._limits():
            if limit < 0.8:
                share = 1.3 * limit * before / max(1.0 - 1.3 * limit, 0.05)
                whole = 1.3 * limit * tier.long / STEP
                found.append(math.ceil(max(min(share, whole), tier.short / STEP, 10)))
        return max(min(found, default=20), math.ceil(4 * self.objective.slice_seconds / STEP))

    def _said(self, before: int, during: int, rate: float) -> str:
        """Whom it reaches when ``during`` samples are bad to ``rate`` after ``before`` good ones."""
        severities = set()
        for tier, limit in self._limits():
            long, short = (min(w / STEP, before + during) for w in (tier.long, tier.short))
            if all(rate * min(during, window) / window > limit for window in (long, short)):
                severities.add(tier.severity)
        return next((one for one in ("page", "ticket") if one in severities), "")

    def _slow_burn(self) -> _Story:
        """Between the slowest tier and the next one."""
        limits = sorted(limit for _, limit in self._limits()) or [self.objective.allowed]
        low = max(limits[0], self.objective.allowed)
        higher = [limit for limit in limits if limit > 1.1 * low]
        rate = min(math.sqrt(low * higher[0]) if higher else 1.5 * low, 0.9)
        samples = max(self.settled + 10, _SAMPLES_OF_BURN)
        events = max(EVENTS, math.ceil(400.0 / (rate * samples)))
        bad = round(rate * events, 3)
        said = self._said(0, samples, bad / events)
        return self._story("slow burn", [(samples, events - bad, bad)], [self._expected(samples, "ok", said)])

    # --- words

    def _story(self, name: str, growth: Growth, expect: Sequence[str]) -> _Story:
        return _Story(
            name, [(example, _series(growth, example)) for example in self.examples], expect, self._workload()
        )

    def _expected(self, sample: int, state: str | None, alert: str | None) -> str:
        words = [f"at: {format_duration(sample * STEP)}", f"objective: {json.dumps(self.objective.id)}"]
        words += [f"state: {state}"] if state is not None else []
        words += [f"alert: {alert or 'none'}"] if alert is not None else []
        return f"{{{', '.join(words)}}}"

    def _key(self) -> str:
        scope = self.objective.scope
        return f"{scope.namespace}/{scope.name}" if scope is not None else ""

    def _pods(self) -> str:
        return f'pod=~"{self.objective.scope.name}-.+"' if self.objective.scope is not None else ""

    def _all_restart(self) -> str:
        name = self.objective.scope.name if self.objective.scope is not None else ""
        return ", ".join(f"{name}-{number}: {{restarted: true}}" for number in range(1, PODS + 1))

    def _workload(self) -> str:
        if not self._key():
            return ""
        gateway = ", gateway: true" if self.objective.preset is Preset.ISTIO_GATEWAY_AVAILABILITY else ""
        return f"{{{self._key()}: {{replicas: {PODS}{gateway}}}}}"

    def _written(self, story: _Story) -> str:
        lines = [
            f"  - name: {story.name}",
            f"    interval: {format_duration(STEP)}",
            f"    look: {format_duration(STEP)}",
        ]
        lines += [f"    objectives: [{json.dumps(self.template)}]"] if self.template else []
        lines += [f"    workloads: {story.workload}"] if story.workload else []
        lines += ["    series:"] if story.values else []
        for one, values in story.values:
            key = "query" if one.query else "series"
            lines += [f"      - {key}: {_text(one.series)}", f'        values: "{values}"']
        lines += ["    changes:", *(f"      - {change}" for change in story.changes)] if story.changes else []
        lines += ["    expect:", *(f"      - {expectation}" for expectation in story.expect)]
        return "\n".join(lines) + "\n"


def _series(growth: Growth, example: Example, first: float = 0.0) -> str:
    """The values in notation; a counter begins at ``first``, an answer has no growth."""
    words, at = ([] if example.query else [f"{first:.12g}"]), first
    for samples, good, bad in growth:
        if example.query:
            words.append(f"{example.bad if bad else example.good:.12g}x{samples}")
            continue
        step = example.grown(good, bad)
        words.append(f"{at + step:.12g}+{step:.12g}x{samples - 1}")
        at += samples * step
    return " ".join(words)


def _end(samples: int, events: float, example: Example) -> float:
    return samples * example.grown(events, 0.0)


def _also(example: Example) -> Example:
    """The same series of another pod."""
    name, brace, labels = example.series.partition("{")
    return Example(f'{name}{{pod="born",{labels}' if brace else f'{name}{{pod="born"}}', example.good, example.bad)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
