"""One trace a tick: what was asked, what was decided, what was done; incidents link to it."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, TraceFlags, Tracer

from observer.domain.kinds import Stage
from observer.telemetry.trace_ids import span_id_of, tick_trace_of

_RETAINED = 512
_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Tick:
    """The instants of one tick, Unix seconds; 0 = not yet."""

    at: float
    sensed: float
    decided: float = 0.0

    @property
    def context(self) -> SpanContext:
        """Of its root span; it follows from ``at``."""
        return SpanContext(
            tick_trace_of(self.at), span_id_of(f"tick:{self.at!r}"), is_remote=False, trace_flags=TraceFlags(1)
        )

    @property
    def link(self) -> Link:
        return Link(self.context, {"observer.link": "tick"})


class TickTracer:
    """
    Implements ``runtime.tick.TickListener``: hears of each tick as it goes on and makes its spans when it ended.

    ``start`` begins a root span under the ids given: trace id, span id, name, nanoseconds.
    """

    def __init__(self, tracer: Tracer, start: Callable[[int, int, str, int], Span]) -> None:
        self._tracer, self._start = tracer, start
        self._ticks: deque[Tick] = deque(maxlen=_RETAINED)
        self._facts: dict[str, int | bool | str] = {}
        self._done = -1.0

    def sensed(self, at: float, now: float, gaps: tuple[str, ...]) -> None:
        """The snapshot of the tick at ``at`` is complete, with these gaps."""
        self._ticks.append(Tick(at, now))
        self._facts = {"observer.tick.gaps": ", ".join(gaps), "observer.tick.complete": not gaps}

    def decided(self, at: float, now: float, decisions: int) -> None:
        """The tick has decided; the acts begin."""
        if self._ticks and self._ticks[-1].at == at:
            self._ticks[-1] = replace(self._ticks[-1], decided=now)
            self._facts["observer.tick.decisions"] = decisions

    def ended(self, at: float, now: float) -> None:
        """Everything of this tick is done and told."""
        if not self._ticks or self._ticks[-1].at != at or self._done == at:
            return
        tick, self._done = self._ticks[-1], at
        context = tick.context
        root = self._start(context.trace_id, context.span_id, "tick", nanos(at))
        for name, value in self._facts.items():
            root.set_attribute(name, value)
        below = trace.set_span_in_context(root)
        middle = tick.decided or tick.sensed
        for stage, begin, end in (("sense", at, tick.sensed), ("decide", tick.sensed, middle), ("act", middle, now)):
            self._tracer.start_span(stage, context=below, start_time=nanos(begin)).end(nanos(max(begin, end)))
        root.end(nanos(max(at, now)))

    def close(self) -> None:
        """A tick that was cut short ends where it stood: what links to it must find it."""
        if self._ticks:
            last = self._ticks[-1]
            self.ended(last.at, last.decided or last.sensed)

    def at(self, instant: float) -> Tick | None:
        """The tick that a decision of this instant was made in, or that was the last before it."""
        ticks = list(self._ticks)
        place = bisect_right(ticks, instant, key=lambda tick: tick.at)
        return ticks[place - 1] if place else None


def spans_of(
    stages: tuple[Stage, ...], tick: Tick | None, at: float, published: float
) -> list[tuple[Stage, float, float]]:
    """Begin and end of each stage of a decision made at ``at`` and published at ``published``, Unix seconds."""
    if tick is None or not tick.decided or tick.at != at:
        return [(stage, at, published if stage in {Stage.ACT, Stage.TELL} else at) for stage in stages]
    spans = []
    for stage in stages:
        match stage:
            case Stage.SENSE:
                begin, end = tick.at, tick.sensed
            case Stage.ACT | Stage.TELL:
                begin, end = tick.decided, published
            case _:
                begin, end = tick.sensed, tick.decided
        spans.append((stage, begin, max(begin, end)))
    return spans


def nanos(at: float) -> int:
    """Unix seconds as OpenTelemetry counts."""
    return int(at * _NANO)
