"""
Nezha (IntelligentDDS, FSE 2023), Online Boutique of 2022-08-22 -> questions with their truth.

Spans carry no status and no side, metrics come once a minute, each service has one pod. A fault lasts three minutes;
the question is asked with the traces and samples of these. The archive holds fault minutes only, so the usual is what
all other faults' minutes show, thinned evenly.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from observer.domain.attribution import AttributionInputs, Measure, Reading
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet

ARCHIVE = Path("nezha") / "online-boutique-2022-08-22.tar.xz"
NAMESPACE = "hipster"
LASTS = 180.0
USUAL_TRACES = 1800
COLUMNS = {
    "CpuUsage(m)": (Measure.SATURATION, "cpu"),
    "MemoryUsage(Mi)": (Measure.SATURATION, "memory"),
}
CODE = frozenset({"return", "exception"})
"""Kinds of faults that are in code."""
PUBLISHED = {"Nezha without logs": (0.643, 0.643), "MicroRank": (0.41, 0.48), "MicroRCA": (0.16, 0.63)}
"""AS@1 and AS@3 of the paper's table 3, over the 56 faults of both days."""


@dataclass(frozen=True)
class Fault:
    """One injected fault."""

    at: float
    pod: str
    kind: str

    @property
    def service(self) -> str:
        return service_of(self.pod)


@dataclass(frozen=True)
class Day:
    """What the archive holds: spans by trace in order of their start, and each pod's samples."""

    faults: tuple[Fault, ...]
    starts: tuple[float, ...]
    traces: tuple[tuple[Span, ...], ...]
    readings: tuple[tuple[str, str, np.ndarray, np.ndarray], ...]
    """(pod, column, times, values)."""


def service_of(pod: str) -> str:
    """A pod's name less its two suffixes."""
    return pod.rsplit("-", 2)[0]


@cache
def load(corpus: Path) -> Day:
    """Read the archive."""
    faults: list[Fault] = []
    spans: dict[str, list[Span]] = {}
    readings: list[tuple[str, str, np.ndarray, np.ndarray]] = []
    with tarfile.open(corpus / ARCHIVE) as archive:
        for member in archive:
            body = archive.extractfile(member) if member.isfile() else None
            if body is None:
                continue
            text = io.TextIOWrapper(body, encoding="utf-8")
            if member.name.endswith("fault_list.json"):
                for hour in json.load(text).values():
                    faults += [
                        Fault(float(one["inject_timestamp"]), one["inject_pod"], one["inject_type"]) for one in hour
                    ]
            elif member.name.endswith("_trace.csv"):
                for span in _spans(text):
                    spans.setdefault(span.trace, []).append(span)
            elif member.name.endswith("_metric.csv"):
                readings += _samples(text)
    ordered = sorted(spans.values(), key=lambda one: (min(span.start for span in one), one[0].trace))
    starts = tuple(min(span.start for span in one) for one in ordered)
    return Day(tuple(sorted(faults, key=lambda one: one.at)), starts, tuple(map(tuple, ordered)), tuple(readings))


def _spans(text: io.TextIOWrapper) -> Iterator[Span]:
    for row in csv.DictReader(text):
        begin, end = int(row["StartTimeUnixNano"]), int(row["EndTimeUnixNano"])
        parent = "" if row["ParentID"] == "root" else row["ParentID"]
        yield Span(
            row["TraceID"], row["SpanID"], parent, SpanSide.INTERNAL, NAMESPACE, service_of(row["PodName"]),
            row["PodName"], "", "", "", row["OperationName"], begin / 1e9, (end - begin) / 1e9, error=False,
        )  # fmt: skip


def _samples(text: io.TextIOWrapper) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    rows = list(csv.DictReader(text))
    if not rows:
        return []
    times = np.array([float(row["TimeStamp"]) for row in rows])
    return [
        (rows[0]["PodName"], column, times, np.array([float(row[column] or "nan") for row in rows]))
        for column in COLUMNS
    ]


def question(day: Day, fault: Fault) -> AttributionInputs:
    """What would have been asked at the end of the fault's three minutes."""
    low, high = np.searchsorted(day.starts, [fault.at, fault.at + LASTS])
    now = tuple(span for one in day.traces[low:high] for span in one)
    others = [
        one
        for start, one in zip(day.starts, day.traces, strict=True)
        if not fault.at - 60.0 <= start < fault.at + LASTS + 60.0
    ]
    step = max(len(others) // USUAL_TRACES, 1)
    usual = tuple(span for one in others[::step] for span in one)
    at = fault.at + LASTS
    return AttributionInputs(
        at=at,
        since=fault.at,
        traces=TraceSet(at, LASTS, now),
        usual_traces=TraceSet(fault.at, day.starts[-1] - day.starts[0], usual),
        readings=tuple(_reading(fault, *one) for one in day.readings),
    )


def _reading(fault: Fault, pod: str, column: str, times: np.ndarray, values: np.ndarray) -> Reading:
    # A sample covers the minute before it.
    inside = (times > fault.at + 20.0) & (times <= fault.at + LASTS + 60.0)
    near = (times > fault.at - 60.0) & (times <= fault.at + LASTS + 120.0)
    measure, what = COLUMNS[column]
    service = ServiceRef(NAMESPACE, service_of(pod))
    return Reading(service, measure, values[~near], times[inside], values[inside], pod, what)
