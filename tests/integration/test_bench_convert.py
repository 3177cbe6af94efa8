"""Others' data becomes files that ``observer diagnose`` reads, and the answer stays the same."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from observer.domain.attribution import AffectedService, AttributionInputs, Measure
from observer.domain.ids import ServiceRef
from observer.engine.attribution.attribute import attribute
from observer.exchange.incident_files import Files, read_incident
from tests.bench.attribution import convert, nezha, petshop
from tests.support.builders import NOW
from tests.support.incidents import call, calm, edge, first, graph, named, ref, series, traced


def again(folder: Path, options: list[str], target: AffectedService | None = None) -> AttributionInputs:
    """The question as the files tell it."""
    given = dict(zip(options[::2], options[1::2], strict=True))
    paths = {name: folder / given[f"--{name}"] for name in ("metrics", "graph", "traces") if f"--{name}" in given}
    since = float(given["--since"]) if "--since" in given else None
    return read_incident(Files(**paths, since=since, target=target))


def test_a_question_survives_being_written(tmp_path: Path) -> None:
    path = (("front", 1), ("store", 1))
    inputs = AttributionInputs(
        at=NOW + 300.0,
        since=NOW,
        target=AffectedService(ref("front"), Measure.ERROR_RATE),
        graph=graph(edge("front", "store", errors=200.0, errors_by_flag={"UF": 150.0, "": 50.0})),
        usual_graph=calm(("front", "store")),
        traces=traced(*(call(f"t{i}", path, fails="store") for i in range(9))),
        usual_traces=traced(*(call(f"u{i}", path, start=NOW - 99.0) for i in range(30))),
        readings=(series("front", Measure.ERROR_RATE, 0.01, 0.2), series("store", Measure.REQUESTS, 50.0, 50.0)),
        external=frozenset({ref("store")}),
    )
    options = convert.write(inputs, tmp_path)
    read = again(tmp_path, options, inputs.target)

    assert named(attribute(read)) == pytest.approx(named(attribute(inputs)))
    assert read.external == inputs.external
    assert np.array_equal(read.readings[0].reference, inputs.readings[0].reference)


def corpus_of_petshop(root: Path) -> Path:
    """Their layout: three rows of names, one row a sample; ``shop`` calls ``db``, which is slow in the issue."""
    draw = np.random.default_rng(1)
    head = "node,shop,db\nmetric,latency,latency\nstatistic,Average,Average\n"

    def table(first_: int, slow: float, rows: int) -> str:
        body = [
            f"{first_ + 300 * i},{0.2 + late + 0.002 * draw.standard_normal():.5f},"
            f"{0.1 + late + 0.002 * draw.standard_normal():.5f}"
            for i in range(rows)
            # The first sample of an issue lies before it.
            for late in [slow if i else 0.0]
        ]
        return head + "\n".join(body) + "\n"

    for scenario in petshop.SCENARIOS:
        folder = root / "petshop" / scenario
        issue = folder / "train" / "issue_0"
        (folder / "noissue").mkdir(parents=True)
        issue.mkdir(parents=True)
        (folder / "graph.csv").write_text(",shop,db\nshop,0,1\ndb,0,0\n")
        (folder / "noissue" / "metrics.csv").write_text(table(1_000_000, 0.0, 60))
        (issue / "metrics.csv").write_text(table(2_000_000, 0.5, 5))
        target = {"node": "shop", "metric": "latency", "agg": "Average"}
        (issue / "target.json").write_text(json.dumps({"target": target, "root_cause": {"node": "db"}}))
    return root


def test_petshop_becomes_folders_with_options_and_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    convert.main(["petshop", str(corpus_of_petshop(tmp_path)), str(out), "--name", "issue"])

    assert "observer diagnose --metrics metrics.csv --graph graph.jsonl --target shop" in capsys.readouterr().out
    folders = sorted(out.iterdir())
    assert len(folders) == len(petshop.SCENARIOS)
    for folder in folders:
        options = (folder / "options.txt").read_text().split()
        found = attribute(again(folder, options, AffectedService(ServiceRef("", "shop"), Measure.LATENCY)))
        assert (folder / "truth.txt").read_text().strip() == "db"
        assert first(found) == "workload db"


def test_a_cut_of_a_quiet_day_is_read_as_adjacent(tmp_path: Path) -> None:
    issue = next(petshop.quiet(corpus_of_petshop(tmp_path)))
    read = again(tmp_path / "cut", convert.write(issue.inputs, tmp_path / "cut"), issue.inputs.target)

    assert all(one.adjacent for one in read.readings)
    assert attribute(read).culprits == attribute(issue.inputs).culprits == ()


def corpus_of_nezha(root: Path) -> Path:
    """Their archive: a list of faults, traces and samples by minute."""
    faults = {"03": [{"inject_timestamp": "1000180", "inject_pod": "cart-6f-x1", "inject_type": "cpu_contention"}]}
    spans = ["TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano"]
    for i in range(400):
        begin = 1_000_000 + i
        slow = 0.5 if 1_000_180 <= begin < 1_000_360 else 0.01
        spans.append(f"t{i},a{i},root,front-5d-y2,get,{begin * 10**9},{int((begin + slow + 0.02) * 10**9)}")
        spans.append(f"t{i},b{i},a{i},cart-6f-x1,add,{begin * 10**9},{int((begin + slow) * 10**9)}")
    samples = ["TimeStamp,PodName,CpuUsage(m),MemoryUsage(Mi)"]
    samples += [f"{1_000_000 + 60 * i},cart-6f-x1,{900 if 3 <= i < 7 else 50 + i % 3},100" for i in range(12)]
    (root / "nezha").mkdir()
    with tarfile.open(root / nezha.ARCHIVE, "w:xz") as archive:
        for name, text in (
            ("d/fault_list.json", json.dumps(faults)), ("d/1_trace.csv", "\n".join(spans)),
            ("d/cart_metric.csv", "\n".join(samples)),
        ):  # fmt: skip
            body = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return root


def test_nezha_becomes_folders_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert.main(["nezha", str(corpus_of_nezha(tmp_path)), str(out)])
    (folder,) = out.iterdir()
    options = (folder / "options.txt").read_text().split()
    found = attribute(again(folder, options))

    assert (folder / "truth.txt").read_text().strip() == "cart"
    assert found.ranked[0].cause.suspected_service is not None
    assert found.ranked[0].cause.suspected_service.name == "cart"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["petshop", "nowhere", "out"], "no folder petshop"),
        (["petshop", "", "out", "--name", "none-such"], "none-such"),
    ],
)
def test_what_is_not_there_is_told(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not arguments[1]:
        arguments[1] = str(corpus_of_petshop(tmp_path))
    arguments[2] = str(tmp_path / "out")
    with pytest.raises(SystemExit):
        convert.main(arguments)

    assert told in capsys.readouterr().err
