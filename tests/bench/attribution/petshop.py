"""
PetShop (Hardt et al., arXiv 2311.04806) -> questions with their truth, by the authors' own protocol.

An issue is five samples of five minutes; what is usual is the fault-free file of another day. The target node, its
measure and statistic are given; the truth is never. Specificity: the fault-free file is cut at 50, 60, ... percent and
its right part posed as an issue; only an empty answer is right.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from observer.domain.attribution import AffectedService, AttributionInputs, Measure, Reading
from observer.domain.graph import CallGraph, Edge
from observer.domain.ids import ServiceRef

SCENARIOS = ("low_traffic", "high_traffic")
MEASURES = {"latency": Measure.LATENCY, "availability": Measure.ERROR_RATE}
UNSEEN = "_remote"
"""X-Ray's node type for a callee that nobody instruments."""
PUBLISHED = {
    ("low_traffic", "latency"): (0.571, 0.571, 0.167),
    ("low_traffic", "availability"): (0.833, 1.0, 1.0),
    ("high_traffic", "latency"): (0.571, 0.786, 0.333),
    ("high_traffic", "availability"): (0.667, 1.0, 1.0),
}
"""Top-1, top-3 and specificity of the authors' anomaly traversal over all 52 issues, of which 16 are public here."""

Column = tuple[str, str, str]
"""Node, metric, statistic."""


@dataclass(frozen=True)
class Frame:
    """One metrics file."""

    times: np.ndarray
    columns: dict[Column, np.ndarray]

    def rows(self, first: int, last: int | None) -> Frame:
        part = slice(first, last)
        return Frame(self.times[part], {name: values[part] for name, values in self.columns.items()})


@dataclass(frozen=True)
class Issue:
    """One case; ``truth`` is empty where nothing is wrong."""

    scenario: str
    metric: str
    name: str
    truth: str
    inputs: AttributionInputs


def read(path: Path) -> Frame:
    """Three header rows, then one row a sample with its Unix second first."""
    with path.open(newline="") as text:
        rows = list(csv.reader(text))
    names: list[Column] = [
        (node, metric, what) for node, metric, what in zip(*(row[1:] for row in rows[:3]), strict=True)
    ]
    body = [row for row in rows[3:] if row and row[0] not in {"", "unix_timestamp"}]
    table = np.array([[float(value) if value else np.nan for value in row[1:]] for row in body])
    return Frame(np.array([float(row[0]) for row in body]), {name: table[:, i] for i, name in enumerate(names)})


def calls(path: Path) -> CallGraph:
    """The adjacency file: callers in rows, callees in columns."""
    with path.open(newline="") as text:
        head, *rows = csv.reader(text)
    edges = tuple(
        Edge(ServiceRef("", row[0]), ServiceRef("", callee), 0.0, 0.0)
        for row in rows
        for callee, there in zip(head[1:], row[1:], strict=True)
        if float(there)
    )
    return CallGraph(0.0, 0.0, edges)


def issues(corpus: Path) -> Iterator[Issue]:
    """The issues with a known culprit."""
    for scenario in SCENARIOS:
        folder = corpus / "petshop" / scenario
        usual, graph = read(folder / "noissue" / "metrics.csv"), calls(folder / "graph.csv")
        for path in sorted((folder / "train").iterdir()):
            told = json.loads((path / "target.json").read_text())
            target = told["target"]
            inputs = question(usual, read(path / "metrics.csv"), graph, target["node"], target["metric"], target["agg"])
            yield Issue(scenario, target["metric"], path.name, told["root_cause"]["node"], inputs)


def quiet(corpus: Path) -> Iterator[Issue]:
    """The fault-free files, cut."""
    for scenario in SCENARIOS:
        folder = corpus / "petshop" / scenario
        whole, graph = read(folder / "noissue" / "metrics.csv"), calls(folder / "graph.csv")
        targets = {
            (told["node"], told["metric"], told["agg"])
            for path in sorted((folder / "train").iterdir())
            for told in [json.loads((path / "target.json").read_text())["target"]]
        }
        size = len(whole.times)
        for node, metric, what in sorted(targets):
            for cut in range(size // 2, size - 3, int(size * 0.1)):
                inputs = question(whole.rows(0, cut), whole.rows(cut, None), graph, node, metric, what, adjacent=True)
                yield Issue(scenario, metric, f"cut at {cut}", "", inputs)


def question(
    usual: Frame, now: Frame, graph: CallGraph, node: str, metric: str, what: str, *, adjacent: bool = False
) -> AttributionInputs:
    """What the protocol hands to a method, in our words; instants are not used."""
    readings = []
    for (name, kind, statistic), values in now.columns.items():
        reference = usual.columns.get((name, kind, statistic))
        if reference is None or (kind, statistic) not in {(metric, what), ("requests", "Sum")}:
            continue
        measure = MEASURES.get(kind, Measure.REQUESTS)
        if measure is Measure.ERROR_RATE:
            before, during = 1.0 - reference / 100.0, 1.0 - values / 100.0
        else:
            before, during = reference, values
        service = ServiceRef("", name)
        readings.append(Reading(service, measure, before, now.times, during, what=statistic, adjacent=adjacent))
    nodes = {service for edge in graph.edges for service in (edge.caller, edge.callee)}
    return AttributionInputs(
        at=float(now.times[-1]),
        target=AffectedService(ServiceRef("", node), MEASURES[metric]),
        graph=graph,
        readings=tuple(readings),
        external=frozenset(one for one in nodes if one.name.endswith(UNSEEN)),
    )
