"""The files of ``observer diagnose`` -> what is known of an incident. Each fault is named with its file and line."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from observer.domain.blame import BlameInputs, Measure, Reading, Seat, Target
from observer.domain.errors import ConfigError
from observer.domain.graph import CallGraph, Edge
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.traces import Span, TraceSet
from observer.exchange.incident_lines import EdgeLine, Phase, SampleLine, SpanLine

_MOST_FAULTS: Final = 20
_REQUIRED: Final = ("time", "service", "measure", "value")

L = TypeVar("L", EdgeLine, SpanLine)
P = TypeVar("P", SampleLine, SpanLine)


@dataclass(frozen=True)
class Files:
    """What was given on the command line; ``since`` in Unix seconds parts reference from incident."""

    metrics: Path | None = None
    graph: Path | None = None
    traces: Path | None = None
    since: float | None = None
    target: Target | None = None


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
            raise ConfigError("\n".join(shown))


def read_incident(files: Files) -> BlameInputs:
    """
    Read the files that were given.

    Raises:
        ConfigError: nothing was given, or a file cannot be read as ``docs/diagnose.md`` describes it.
    """
    if files.metrics is None and files.graph is None and files.traces is None:
        raise ConfigError("nothing to diagnose: give at least one of --metrics, --graph, --traces")
    faults = _Faults()
    samples = _samples(files.metrics, files.since, faults) if files.metrics is not None else []
    edges = _json_lines(files.graph, EdgeLine, faults) if files.graph is not None else []
    spans = _spans(files.traces, files.since, faults) if files.traces is not None else []
    faults.raise_any()
    since = files.since if files.since is not None else _begin(samples, spans)
    at = max([one.time for one, _ in samples] + [one.start + one.seconds for one, _ in spans], default=since or 0.0)
    inputs = BlameInputs(
        at=at,
        since=since,
        target=files.target,
        graph=_graph(edges, Phase.INCIDENT, at),
        usual_graph=_graph(edges, Phase.REFERENCE, at),
        traces=_traces(spans, Phase.INCIDENT, at),
        usual_traces=_traces(spans, Phase.REFERENCE, since or at),
        readings=_readings(samples, adjacent=files.since is not None),
        seats=_seats(spans),
        external=frozenset(ServiceRef(one.callee_namespace, one.callee) for one in edges if one.external),
    )
    _known_target(inputs)
    return inputs


def _known_target(inputs: BlameInputs) -> None:
    if inputs.target is None:
        return
    known = {one.service for one in inputs.readings}
    for graph in (inputs.graph, inputs.usual_graph):
        known |= {end for edge in (graph.edges if graph is not None else ()) for end in (edge.caller, edge.callee)}
    for traces in (inputs.traces, inputs.usual_traces):
        known |= {ServiceRef(one.namespace, one.service) for one in (traces.spans if traces is not None else ())}
    if inputs.target.service not in known:
        raise ConfigError(f"--target {inputs.target.service}: no file names this service; is its namespace right?")


def _open(path: Path, faults: _Faults) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        faults.add(str(path), f"cannot be read: {exc.strerror}")
    except UnicodeDecodeError:
        faults.add(str(path), "is not UTF-8 text")
    return ""


def _json_lines(path: Path, kind: type[L], faults: _Faults) -> list[L]:
    found: list[L] = []
    decoder = msgspec.json.Decoder(kind)
    for number, line in enumerate(_open(path, faults).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(decoder.decode(line))
        except msgspec.DecodeError as exc:
            faults.add(f"{path}:{number}", str(exc))
    return found


def _samples(path: Path, since: float | None, faults: _Faults) -> list[tuple[SampleLine, Phase]]:
    rows = csv.reader(_open(path, faults).splitlines())
    head = [name.strip() for name in next(rows, [])]
    if missing := [name for name in _REQUIRED if name not in head]:
        if not faults.found:
            faults.add(f"{path}:1", f"the header lacks {', '.join(missing)}; see docs/diagnose.md")
        return []
    found: list[tuple[SampleLine, Phase]] = []
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        where = f"{path}:{number}"
        if len(row) != len(head):
            faults.add(where, f"{len(row)} fields, the header has {len(head)}")
            continue
        fields: dict[str, Any] = {name: text.strip() for name, text in zip(head, row, strict=True) if text.strip()}
        try:
            one = msgspec.convert(fields, SampleLine, strict=False)
        except msgspec.ValidationError as exc:
            faults.add(where, str(exc))
            continue
        if not math.isfinite(one.time) or not math.isfinite(one.value or 0.0):
            faults.add(where, "time and value must be finite numbers; leave value empty where there is no sample")
            continue
        _phased(one, one.time, since, where, faults, found)
    return found


def _spans(path: Path, since: float | None, faults: _Faults) -> list[tuple[SpanLine, Phase]]:
    found: list[tuple[SpanLine, Phase]] = []
    for place, one in enumerate(_json_lines(path, SpanLine, faults), start=1):
        _phased(one, one.start, since, f"{path}: span {place}", faults, found)
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
            ServiceRef(one.caller_namespace, one.caller),
            ServiceRef(one.callee_namespace, one.callee),
            one.requests,
            one.errors,
            one.errors_by_flag,
            one.seen_by_callee,
            one.callee_errors,
        )
        for one in lines
        if one.phase is phase
    )
    return CallGraph(at, 0.0, edges) if edges else None


def _traces(lines: Iterable[tuple[SpanLine, Phase]], phase: Phase, at: float) -> TraceSet | None:
    spans = tuple(_domain_spans(one for one, its in lines if its is phase))
    if not spans:
        return None
    return TraceSet(at, at - min(span.start for span in spans), spans)


def _domain_spans(lines: Iterable[SpanLine]) -> Iterator[Span]:
    for one in lines:
        yield Span(
            one.trace, one.span, one.parent, one.side, one.namespace, one.service, one.pod, "", one.node, one.peer,
            one.operation, one.start, one.seconds, one.error, one.code, one.flags,
        )  # fmt: skip


def _seats(lines: Iterable[tuple[SpanLine, Phase]]) -> dict[tuple[str, str], Seat]:
    """Where spans say that their pods run; nobody told uids."""
    return {
        (one.namespace, one.pod): Seat(
            PodRef(one.namespace, one.pod, ""), ServiceRef(one.namespace, one.service), one.revision, one.node, one.zone
        )
        for one, _ in lines
        if one.pod
    }
