"""
``python -m tests.bench.attribution.convert petshop|nezha CORPUS OUT``: others' data as the files of ``observer
diagnose``.

Each question becomes a folder with ``metrics.csv``, ``graph.jsonl`` and ``traces.jsonl`` (those it has anything for),
the options that belong to it in ``options.txt``, and the right answer in ``truth.txt``.
"""

from __future__ import annotations

import argparse
import csv
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from observer.domain.attribution import AttributionInputs, Measure
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.traces import TraceSet
from observer.exchange.incident_lines import EdgeLine, Phase, SpanLine
from tests.bench.attribution import nezha, petshop

COLUMNS: Final = ("time", "namespace", "service", "pod", "measure", "what", "value", "phase")
SYMPTOMS: Final = {Measure.ERROR_RATE: "errors", Measure.LATENCY: "latency"}


def write(inputs: AttributionInputs, folder: Path) -> list[str]:
    """
    Write what files can hold of a question; returns the options of ``observer diagnose`` that read it again.

    The judges' word and changes have no place in these files. Reference samples carry no instants in a question: they
    get one a second before the incident's first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options: list[str] = []
    if inputs.readings:
        with (folder / "metrics.csv").open("w", newline="") as text:
            rows = csv.writer(text)
            rows.writerow(COLUMNS)
            rows.writerows(_samples(inputs))
        options += ["--metrics", "metrics.csv"]
    parts: list[tuple[str, str, list[Any]]] = [
        ("--graph", "graph.jsonl", [*_edges(inputs.graph, inputs), *_edges(inputs.usual_graph, inputs)]),
        ("--traces", "traces.jsonl", [*_spans(inputs.traces, inputs), *_spans(inputs.usual_traces, inputs)]),
    ]
    for option, name, lines in parts:
        if lines:
            (folder / name).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
            options += [option, name]
    begins = [float(one.times[0]) for one in inputs.readings if len(one.times)]
    since = inputs.since if inputs.since is not None else min(begins, default=None)
    if since is not None and all(one.adjacent for one in inputs.readings):
        options += ["--since", repr(since)]
    if inputs.target is not None:
        service = inputs.target.service
        options += ["--target", service.name, "--symptom", SYMPTOMS[inputs.target.measure]]
        options += ["--namespace", service.namespace] if service.namespace else []
    (folder / "options.txt").write_text(shlex.join(options) + "\n")
    return options


def _samples(inputs: AttributionInputs) -> Iterator[tuple[object, ...]]:
    for one in inputs.readings:
        whose = (one.service.namespace, one.service.name, one.pod, one.measure.value, one.what)
        begin = float(one.times[0]) if len(one.times) else inputs.at
        instants = begin - np.arange(len(one.reference), 0, -1, dtype=np.float64)
        parts = (instants, one.reference, Phase.REFERENCE), (one.times, one.values, Phase.INCIDENT)
        for times, values, phase in parts:
            for at, value in zip(times.tolist(), values.tolist(), strict=True):
                yield repr(at), *whose, "" if np.isnan(value) else repr(value), phase.value


def _edges(graph: CallGraph | None, inputs: AttributionInputs) -> Iterator[EdgeLine]:
    phase = Phase.INCIDENT if graph is inputs.graph else Phase.REFERENCE
    for one in graph.edges if graph is not None else ():
        yield EdgeLine(
            caller=one.caller.name,
            callee=one.callee.name,
            caller_namespace=one.caller.namespace,
            callee_namespace=one.callee.namespace,
            requests=one.requests,
            errors=one.errors,
            errors_by_flag=dict(one.errors_by_flag),
            seen_by_callee=one.seen_by_callee,
            callee_errors=one.callee_errors,
            external=one.callee in inputs.external,
            phase=phase,
        )


def _spans(traces: TraceSet | None, inputs: AttributionInputs) -> Iterator[SpanLine]:
    phase = Phase.INCIDENT if traces is inputs.traces else Phase.REFERENCE
    for one in traces.spans if traces is not None else ():
        placement = inputs.placements.get((one.namespace, one.pod))
        yield SpanLine(
            trace=one.trace,
            span=one.span,
            service=one.service,
            start=one.start,
            seconds=one.seconds,
            parent=one.parent,
            side=one.side,
            namespace=one.namespace,
            pod=one.pod,
            operation=one.operation,
            peer=one.peer,
            error=one.error,
            code=one.code,
            flags=one.flags,
            revision=placement.revision if placement is not None else "",
            node=placement.node if placement is not None else one.node,
            zone=placement.zone if placement is not None else "",
            phase=phase,
        )


def questions(source: str, corpus: Path) -> Iterator[tuple[str, str, AttributionInputs]]:
    """``(name, truth, question)`` of each case of a corpus; the truth is empty where nothing is wrong."""
    if source == "petshop":
        for issue in [*petshop.issues(corpus), *petshop.quiet(corpus)]:
            name = f"{issue.scenario}-{issue.metric}-{issue.name}".replace(" ", "-")
            target = issue.inputs.target.service if issue.inputs.target is not None else ServiceRef("", "")
            yield name if issue.truth else f"{name}-{target.name}".replace("/", "-"), issue.truth, issue.inputs
        return
    day = nezha.load(corpus)
    for fault in day.faults:
        yield f"{fault.at:.0f}-{fault.service}-{fault.kind}", fault.service, nezha.question(day, fault)


def main(arguments: list[str] | None = None) -> None:
    """Convert one corpus."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.attribution.convert", description=__doc__)
    parser.add_argument("source", choices=("petshop", "nezha"))
    parser.add_argument("corpus", type=Path, help="folder with petshop/ and nezha/")
    parser.add_argument("out", type=Path, help="where the folders go")
    parser.add_argument("--name", default="", help="only the questions whose name holds this")
    wanted = parser.parse_args(arguments)
    if not (wanted.corpus / wanted.source).is_dir():
        parser.error(f"{wanted.corpus}: no folder {wanted.source} there")
    written = 0
    for name, truth, inputs in questions(wanted.source, wanted.corpus):
        if wanted.name in name:
            options = write(inputs, wanted.out / name)
            (wanted.out / name / "truth.txt").write_text(truth + "\n")
            print(f"{wanted.out / name}: observer diagnose {shlex.join(options)}")
            written += 1
    if not written:
        parser.error(f"no question's name holds {wanted.name!r}")


if __name__ == "__main__":
    main()
