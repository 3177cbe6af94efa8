"""The files of ``observer diagnose`` -> what is known of an incident. Each fault is named with its file and line."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np

from observer.domain.attribution import AffectedService, AttributionInputs, Measure, Placement, Reading
from observer.domain.errors import ConfigError
from observer.domain.graph import CallGraph, Edge
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.traces import Span, TraceSet
from observer.exchange.incident_lines import EdgeLine, Phase, SampleLine, SpanLine

_MOST_FAULTS: Final = 20
_FORMATS: Final = "docs/diagnose.md shows the formats of all three files"
_REQUIRED: Final = ("time", "service", "measure", "value")
_LATEST: Final = 1e11
"""Unix seconds of the year 5138: whatever is later was meant as milliseconds or less."""
_SLACK: Final = 1e-6

L = TypeVar("L", EdgeLine, SpanLine)
P = TypeVar("P", SampleLine, SpanLine)


@dataclass(frozen=True)
class Files:
    """What was given on the command line; ``since`` in Unix seconds parts reference from incident."""

    metrics: Path | None = None
    graph: Path | None = None
    traces: Path | None = None
    since: float | None = None
    target: AffectedService | None = None


@dataclass
class _Faults:
    """Collects what is wrong, so that it is told at once."""

    found: list[str] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        self.found.append(f"{where}: {what}")

    def raise_any(self) -> None:
        if self.found:
            more = len(self.found) - _MOST_FAULTS
            shown = self.found[:_MOST_FAULTS] + ([f"and {more} more"] if more > 0 else [])
            raise ConfigError("\n".join(shown), step=_FORMATS)


def read_incident(files: Files) -> AttributionInputs:
    """
    Read the files that were given.

    Raises:
        ConfigError: nothing was given, or a file cannot be read as ``docs/diagnose.md`` describes it.
    """
    if files.metrics is None and files.graph is None and files.traces is None:
        raise ConfigError("nothing to diagnose: give at least one of --metrics, --graph, --traces", step=_FORMATS)
    faults = _Faults()
    if files.since is not None:
        _is_instant(files.since, "--since", faults)
    samples = _samples(files.metrics, files.since, faults) if files.metrics is not None else []
    edges = _edges(files.graph, faults) if files.graph is not None else []
    spans = _spans(files.traces, files.since, faults) if files.traces is not None else []
    faults.raise_any()
    _some_incident(samples, edges, spans)
    since = files.since if files.since is not None else _begin(samples, spans)
    at = max([one.time for one, _ in samples] + [one.start + one.seconds for one, _ in spans], default=since or 0.0)
    inputs = AttributionInputs(
        at=at,
        since=since,
        target=files.target,
        graph=_graph(edges, Phase.INCIDENT, at),
        usual_graph=_graph(edges, Phase.REFERENCE, at),
        traces=_traces(spans, Phase.INCIDENT, at),
        usual_traces=_traces(spans, Phase.REFERENCE, since or at),
        readings=_readings(samples, adjacent=files.since is not None),
        placements=_seats(spans),
        external=frozenset(ServiceRef(edge.callee_namespace, edge.callee) for edge in edges if edge.external),
    )
    _known_target(inputs)
    return inputs


def _some_incident(
    samples: Sequence[tuple[SampleLine, Phase]], edges: Sequence[EdgeLine], spans: Sequence[tuple[SpanLine, Phase]]
) -> None:
    phases = [phase for _, phase in samples] + [edge.phase for edge in edges] + [phase for _, phase in spans]
    if Phase.INCIDENT in phases:
        return
    times = [one.time for one, _ in samples] + [one.start for one, _ in spans]
    last = f"; the last line is of {max(times):.0f}" if times else ""
    why = f"nothing belongs to the incident: is --since its beginning in Unix seconds{last}?"
    raise ConfigError(
        why, step="--since is the instant at which the trouble began; lines from then on are the incident"
    )


def _known_target(inputs: AttributionInputs) -> None:
    if inputs.target is None:
        return
    known = {reading.service for reading in inputs.readings}
    for graph in (inputs.graph, inputs.usual_graph):
        known |= {end for edge in (graph.edges if graph is not None else ()) for end in (edge.caller, edge.callee)}
    for traces in (inputs.traces, inputs.usual_traces):
        known |= {ServiceRef(span.namespace, span.service) for span in (traces.spans if traces is not None else ())}
    if inputs.target.service not in known:
        raise ConfigError(
            f"--target {inputs.target.service}: no file names this service; is its namespace right?",
            step="--namespace names it; services are written as the files write them",
        )


def _open(path: Path, faults: _Faults) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark before UTF-8
    except OSError as exc:
        faults.add(str(path), f"cannot be read: {exc.strerror}")
    except UnicodeDecodeError:
        faults.add(str(path), "is not UTF-8 text")
    return ""


def _json_lines(path: Path, kind: type[L], faults: _Faults) -> Iterator[tuple[str, L]]:
    """Each line with its place. Only a line feed ends one: names may hold what else Unicode calls a line's end."""
    decoder = msgspec.json.Decoder(kind)
    for number, line in enumerate(_open(path, faults).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            yield where, decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as exc:
            faults.add(where, str(exc))


def _edges(path: Path, faults: _Faults) -> list[EdgeLine]:
    found = []
    for where, one in _json_lines(path, EdgeLine, faults):
        flagged = math.fsum(one.errors_by_flag.values())
        if one.errors > one.requests:
            faults.add(where, f"{one.errors:g} errors of {one.requests:g} requests; give both, as events")
        elif flagged > one.errors * (1.0 + _SLACK):
            faults.add(where, f"errors_by_flag add up to {flagged:g}, errors are {one.errors:g}")
        elif None not in (one.callee_errors, one.seen_by_callee) and (one.callee_errors or 0) > (
            one.seen_by_callee or 0
        ):
            faults.add(where, f"callee_errors of {one.callee_errors:g}, seen_by_callee of {one.seen_by_callee:g}")
        else:
            found.append(one)
    return found


def _samples(path: Path, since: float | None, faults: _Faults) -> list[tuple[SampleLine, Phase]]:
    rows = csv.reader(io.StringIO(_open(path, faults), newline=""))
    found: list[tuple[SampleLine, Phase]] = []
    try:
        head = [name.strip() for name in next(rows, [])]
        if not _is_head(head, path, faults):
            return []
        for row in rows:
            where = f"{path}:{rows.line_num}"
            if row and (one := _sample(head, row, where, faults)) is not None:
                _phased(one, one.time, since, where, faults, found)
    except csv.Error as exc:
        faults.add(f"{path}:{rows.line_num}", f"is no CSV: {exc}")
    return found


def _is_head(head: Sequence[str], path: Path, faults: _Faults) -> bool:
    where, known = f"{path}:1", msgspec.structs.fields(SampleLine)
    before = len(faults.found)
    if missing := [name for name in _REQUIRED if name not in head]:
        if not any(str(path) in one for one in faults.found):
            faults.add(where, f"the header lacks {', '.join(missing)}; see docs/diagnose.md")
        return False
    if double := sorted({name for name in head if head.count(name) > 1}):
        faults.add(where, f"the header names {', '.join(double)} twice")
    if strange := sorted(set(head) - {field.name for field in known}):
        faults.add(where, f"unknown columns {', '.join(map(repr, strange))}; see docs/diagnose.md")
    return len(faults.found) == before


def _sample(head: Sequence[str], row: Sequence[str], where: str, faults: _Faults) -> SampleLine | None:
    if len(row) != len(head):
        faults.add(where, f"{len(row)} fields, the header has {len(head)}")
        return None
    fields: dict[str, object] = {name: text.strip() for name, text in zip(head, row, strict=True) if text.strip()}
    try:
        one = msgspec.convert(fields, SampleLine, strict=False)
    except msgspec.ValidationError as exc:
        faults.add(where, str(exc))
        return None
    value = one.value if one.value is not None else 0.0
    if not math.isfinite(one.time) or not math.isfinite(value):
        faults.add(where, "time and value must be finite numbers; leave value empty where there is no sample")
    elif value < 0.0:
        faults.add(where, f"value of {value:g}: none of the measures is below zero")
    elif one.measure is Measure.ERROR_RATE and value > 1.0:
        faults.add(where, f"an error_rate of {value:g}: it is a part of the requests, 0..1")
    elif _is_instant(one.time, where, faults):
        return one
    return None


def _is_instant(time: float, where: str, faults: _Faults) -> bool:
    if 0.0 <= time <= _LATEST:
        return True
    faults.add(where, f"a time of {time:g}: Unix seconds are wanted (not milli-, micro- or nanoseconds)")
    return False


def _spans(path: Path, since: float | None, faults: _Faults) -> list[tuple[SpanLine, Phase]]:
    found: list[tuple[SpanLine, Phase]] = []
    for where, one in _json_lines(path, SpanLine, faults):
        if _is_instant(one.start, where, faults):
            _phased(one, one.start, since, where, faults, found)
    return found


def _phased(
    line: P, time: float, since: float | None, where: str, faults: _Faults, found: list[tuple[P, Phase]]
) -> None:
    if line.phase is not None:
        found.append((line, line.phase))
    elif since is not None:
        found.append((line, Phase.INCIDENT if time >= since else Phase.REFERENCE))
    else:
        faults.add(where, "belongs to which phase? Give --since, or a phase on every line")


def _begin(samples: Iterable[tuple[SampleLine, Phase]], spans: Iterable[tuple[SpanLine, Phase]]) -> float | None:
    times = [one.time for one, phase in samples if phase is Phase.INCIDENT]
    times += [one.start for one, phase in spans if phase is Phase.INCIDENT]
    return min(times, default=None)


def _readings(samples: Iterable[tuple[SampleLine, Phase]], *, adjacent: bool) -> tuple[Reading, ...]:
    series: dict[tuple[ServiceRef, str, Measure, str], dict[Phase, list[tuple[float, float]]]] = defaultdict(
        lambda: {Phase.REFERENCE: [], Phase.INCIDENT: []}
    )
    for one, phase in samples:
        key = (ServiceRef(one.namespace, one.service), one.pod, one.measure, one.what)
        series[key][phase].append((one.time, one.value if one.value is not None else math.nan))
    found = []
    for (service, pod, measure, what), parts in sorted(series.items()):
        usual, now = sorted(parts[Phase.REFERENCE]), sorted(parts[Phase.INCIDENT])
        found.append(
            Reading(
                service,
                measure,
                np.array([value for _, value in usual], dtype=np.float64),
                np.array([time for time, _ in now], dtype=np.float64),
                np.array([value for _, value in now], dtype=np.float64),
                pod,
                what,
                adjacent,
            )
        )
    return tuple(found)


def _graph(lines: Sequence[EdgeLine], phase: Phase, at: float) -> CallGraph | None:
    edges = tuple(
        Edge(
            ServiceRef(line.caller_namespace, line.caller),
            ServiceRef(line.callee_namespace, line.callee),
            line.requests,
            line.errors,
            line.errors_by_flag,
            line.seen_by_callee,
            line.callee_errors,
        )
        for line in lines
        if line.phase is phase
    )
    return CallGraph(at, 0.0, edges) if edges else None


def _traces(lines: Iterable[tuple[SpanLine, Phase]], phase: Phase, at: float) -> TraceSet | None:
    spans = tuple(_domain_spans(one for one, its in lines if its is phase))
    if not spans:
        return None
    return TraceSet(at, at - min(span.start for span in spans), spans)


def _domain_spans(lines: Iterable[SpanLine]) -> Iterator[Span]:
    for line in lines:
        yield Span(
            line.trace, line.span, line.parent, line.side, line.namespace, line.service, line.pod, "", line.node,
            line.peer, line.operation, line.start, line.seconds, line.error, line.code, line.flags,
        )  # fmt: skip


def _seats(lines: Iterable[tuple[SpanLine, Phase]]) -> dict[tuple[str, str], Placement]:
    """Where spans say that their pods run; nobody told uids."""
    return {
        (one.namespace, one.pod): Placement(
            PodRef(one.namespace, one.pod, ""), ServiceRef(one.namespace, one.service), one.revision, one.node, one.zone
        )
        for one, _ in lines
        if one.pod
    }
