"""The files of ``observer diagnose``: what they mean, and what is said about each fault in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from observer.domain.attribution import AffectedService, Measure
from observer.domain.errors import ConfigError
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.traces import SpanSide
from observer.exchange.incident_files import Files, read_incident

CART = ServiceRef("shop", "cart")


def write(folder: Path, name: str, *lines: object) -> Path:
    path = folder / name
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines) + "\n")
    return path


def metrics(folder: Path, *rows: str, head: str = "time,service,namespace,measure,value") -> Path:
    return write(folder, "metrics.csv", head, *rows)


def span(**changes: object) -> dict[str, object]:
    return {"trace": "t", "span": "s", "service": "cart", "namespace": "shop", "start": 150.0, "seconds": 0.2} | changes


def refused(files: Files) -> str:
    with pytest.raises(ConfigError) as caught:
        read_incident(files)
    return str(caught.value)


def test_series_are_parted_at_since_and_sorted(tmp_path: Path) -> None:
    path = metrics(tmp_path, "110,cart,shop,latency,0.5", "90,cart,shop,latency,0.2", "80,cart,shop,latency,")

    (reading,) = read_incident(Files(metrics=path, since=100.0)).readings
    assert (reading.service, reading.measure) == (CART, Measure.LATENCY)
    assert np.array_equal(reading.reference, [np.nan, 0.2], equal_nan=True)
    assert (reading.times.tolist(), reading.values.tolist()) == ([110.0], [0.5])
    assert reading.adjacent


def test_a_phase_on_the_line_outweighs_since_and_is_another_day(tmp_path: Path) -> None:
    head = "time,service,measure,value,phase,pod,what"
    path = metrics(
        tmp_path, "900,cart,saturation,1,reference,cart-1,cpu", "110,cart,saturation,9,incident,cart-1,cpu", head=head
    )

    (reading,) = read_incident(Files(metrics=path)).readings
    assert (reading.pod, reading.what, reading.reference.tolist(), reading.values.tolist()) == (
        "cart-1",
        "cpu",
        [1],
        [9],
    )
    assert not reading.adjacent


def test_calls_keep_their_counts_and_phase(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "graph.jsonl",
        {"caller": "front", "callee": "cart", "callee_namespace": "shop", "requests": 10, "errors": 2,
         "errors_by_flag": {"UF": 1}, "callee_errors": 1},
        {"caller": "front", "callee": "cart", "callee_namespace": "shop", "requests": 50, "phase": "reference"},
        {"caller": "cart", "callee": "mail", "external": True},
        "",
    )  # fmt: skip

    inputs = read_incident(Files(graph=path))
    assert inputs.graph is not None
    assert inputs.usual_graph is not None
    first = inputs.graph.edges[0]
    assert (first.callee, first.requests, first.errors, first.errors_by_flag, first.callee_errors) == (
        CART, 10, 2, {"UF": 1}, 1,
    )  # fmt: skip
    assert [one.requests for one in inputs.usual_graph.edges] == [50]
    assert inputs.external == {ServiceRef("", "mail")}


def test_spans_tell_where_their_pods_run(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "traces.jsonl",
        span(side="server", pod="cart-1", node="n1", revision="cart-v2", error=True),
        span(span="old", start=50.0),
    )

    inputs = read_incident(Files(traces=path, since=100.0))
    assert inputs.traces is not None
    assert inputs.usual_traces is not None
    (one,) = inputs.traces.spans
    assert (one.side, one.pod, one.error, one.seconds) == (SpanSide.SERVER, "cart-1", True, 0.2)
    assert [each.span for each in inputs.usual_traces.spans] == ["old"]
    seat = inputs.placements[("shop", "cart-1")]
    assert (seat.ref, seat.node, seat.revision) == (PodRef("shop", "cart-1", ""), "n1", "cart-v2")
    assert (inputs.at, inputs.since) == (150.2, 100.0)


def test_nothing_given_is_refused() -> None:
    assert "at least one of --metrics, --graph, --traces" in refused(Files())


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    told = refused(Files(metrics=tmp_path / "no.csv", graph=tmp_path / "no.jsonl", since=1.0))

    assert f"{tmp_path / 'no.csv'}: cannot be read: No such file" in told
    assert f"{tmp_path / 'no.jsonl'}: cannot be read: No such file" in told
    assert "header" not in told


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.jsonl"
    path.write_bytes(b"\xff\xfe\x00")

    assert f"{path}: is not UTF-8 text" in refused(Files(graph=path))


def test_every_faulty_row_is_told_at_once(tmp_path: Path) -> None:
    path = metrics(
        tmp_path,
        "1,cart,shop,latency,0.1",
        "2,cart,shop,speed,0.1",
        "x,cart,shop,latency,0.1",
        "3,cart,shop,latency",
        "4,cart,shop,latency,inf",
        "5,,shop,latency,0.1",
    )

    lines = refused(Files(metrics=path, since=0.0)).splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in lines] == ["3", "4", "5", "6", "7"]
    assert "speed" in lines[0]
    assert "4 fields, the header has 5" in lines[2]
    assert "finite" in lines[3]
    assert "service" in lines[4]


def test_a_header_that_lacks_columns_is_refused(tmp_path: Path) -> None:
    assert "metrics.csv:1: the header lacks measure" in refused(
        Files(metrics=metrics(tmp_path, "1,cart,2", head="time,service,value"), since=0.0)
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"caller": "a"}', "callee"),
        ('{"caller": "a", "callee": "b", "requests": -1}', "requests"),
        ('{"caller": "a", "callee": "b", "color": "red"}', "color"),
        ("{", "truncated"),
    ],
)
def test_a_faulty_call_is_told_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    message = refused(Files(graph=write(tmp_path, "graph.jsonl", {"caller": "a", "callee": "b"}, line)))

    assert "graph.jsonl:2: " in message
    assert told in message


def test_without_since_every_line_must_say_its_phase(tmp_path: Path) -> None:
    message = refused(
        Files(traces=write(tmp_path, "t.jsonl", span()), metrics=metrics(tmp_path, "1,cart,shop,latency,0.1"))
    )

    assert "metrics.csv:2: belongs to which phase? Give --since" in message
    assert "t.jsonl:1: belongs to which phase?" in message


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"errors": 5}, "5 errors of 0 requests; give both, as events"),
        ({"requests": 4, "errors": 5}, "5 errors of 4 requests"),
        ({"requests": 9, "errors": 5, "errors_by_flag": {"": 4, "UF": 2}}, "errors_by_flag add up to 6, errors are 5"),
        (
            {"requests": 9, "errors": 5, "seen_by_callee": 3, "callee_errors": 4},
            "callee_errors of 4, seen_by_callee of 3",
        ),
        ({"requests": 1e300}, "<= 1000000000000000"),
    ],
)
def test_counts_that_cannot_be_are_refused(tmp_path: Path, line: dict[str, object], told: str) -> None:
    path = write(tmp_path, "graph.jsonl", {"caller": "a", "callee": "b"}, {"caller": "a", "callee": "b"} | line)
    message = refused(Files(graph=path))

    assert "graph.jsonl:2: " in message
    assert told in message


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("1,cart,shop,error_rate,37", "an error_rate of 37: it is a part of the requests, 0..1"),
        ("1,cart,shop,latency,-0.1", "value of -0.1: none of the measures is below zero"),
        ("1790000000000,cart,shop,latency,0.1", "Unix seconds are wanted (not milli"),
        ("-5,cart,shop,latency,0.1", "a time of -5"),
    ],
)
def test_values_in_the_wrong_unit_are_refused(tmp_path: Path, row: str, told: str) -> None:
    assert f"metrics.csv:2: {told}" in refused(Files(metrics=metrics(tmp_path, row), since=0.0)).replace(
        "a time of 1.79e+12: ", ""
    )


def test_times_of_spans_and_since_are_unix_seconds_too(tmp_path: Path) -> None:
    path = write(tmp_path, "t.jsonl", span(), span(start=1.79e15))

    assert "t.jsonl:2: a time of 1.79e+15: Unix seconds are wanted" in refused(Files(traces=path, since=1.0))
    for since in (1.79e12, float("nan"), float("inf"), -1.0):
        assert "--since: a time of" in refused(Files(traces=path, since=since))


def test_a_since_after_everything_leaves_nothing_to_explain(tmp_path: Path) -> None:
    path = metrics(tmp_path, "100,cart,shop,latency,0.1", "160,cart,shop,latency,0.1")

    message = refused(Files(metrics=path, since=5000.0))
    assert (
        message == "nothing belongs to the incident: is --since its beginning in Unix seconds; the last line is of 160?"
    )


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("time,service,measure,value,value", "the header names value twice"),
        ("time,service,measure,value,colour", "unknown columns 'colour'"),
    ],
)
def test_a_header_that_says_too_much_is_refused_once(tmp_path: Path, head: str, told: str) -> None:
    rows = ["1,cart,latency,0.1,0.2"] * 9
    message = refused(Files(metrics=metrics(tmp_path, *rows, head=head), since=0.0))

    assert f"metrics.csv:1: {told}" in message
    assert message.count("\n") == 0


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    """A mark before the text, carriage returns, quotes, a line break within quotes, a blank line."""
    path = tmp_path / "m.csv"
    path.write_bytes(
        b'\xef\xbb\xbftime,service,measure,value,what\r\n150,cart,latency,0.5,"a\r\nb"\r\n\r\n"151","cart",latency,"",p95\r\n'
    )

    readings = read_incident(Files(metrics=path, since=100.0)).readings
    assert [one.what for one in readings] == ["a\nb", "p95"]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('time,service,measure,value,what\n150,cart,latency,0.5,"a\nb"\n\n151,cart,speed,1,p95\n')

    assert "m.csv:5: " in refused(Files(metrics=path, since=100.0))


def test_a_field_without_an_end_is_told(tmp_path: Path) -> None:
    path = metrics(tmp_path, "1,cart,shop,latency," + "9" * 200_000)

    assert "metrics.csv:2: is no CSV: field larger than field limit" in refused(Files(metrics=path, since=0.0))


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\x1c", "\U0001f408", "\u202e"])
def test_names_may_hold_what_else_ends_a_line(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "g.jsonl"
    name = f"cart{odd}2"
    path.write_text(json.dumps({"caller": "a", "callee": name}, ensure_ascii=odd < " ") + "\r\n\n", encoding="utf-8")

    graph = read_incident(Files(graph=path)).graph
    assert graph is not None
    assert graph.edges[0].callee.name == name


def test_half_a_letter_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "g.jsonl", '{"caller": "a", "callee": "\\ud800 "}')

    assert "g.jsonl:1: " in refused(Files(graph=path))


def test_many_faults_are_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path, "graph.jsonl", *["{}"] * 50)

    assert refused(Files(graph=path)).splitlines()[-1] == "and 30 more"


def test_a_target_that_no_file_names_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "graph.jsonl", {"caller": "front", "callee": "cart"})
    target = AffectedService(CART, Measure.ERROR_RATE)

    assert "--target shop/cart: no file names this service" in refused(Files(graph=path, target=target))
    known = AffectedService(ServiceRef("", "cart"), Measure.ERROR_RATE)
    assert read_incident(Files(graph=path, target=known)).target == known
