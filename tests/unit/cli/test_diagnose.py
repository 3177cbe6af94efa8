"""``observer diagnose`` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from observer.cli.main import app, main

GRAPH = [
    {"caller": "front", "callee": "cart", "requests": 5000, "errors": 1, "phase": "reference"},
    {"caller": "cart", "callee": "store", "requests": 5000, "errors": 1, "phase": "reference"},
    {"caller": "front", "callee": "cart", "requests": 1000, "errors": 90},
    {"caller": "cart", "callee": "store", "requests": 1000, "errors": 90},
]


def calls(folder: Path, lines: list[dict[str, object]]) -> str:
    path = folder / "graph.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return str(path)


def test_the_culprit_comes_first_with_its_evidence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["diagnose", "--graph", calls(tmp_path, GRAPH), "--json"])

    assert done.exit_code == 0
    body = json.loads(done.stdout)
    assert body["found"]
    first = body["culprits"][0]
    assert (first["kind"], first["name"], first["service"]) == ("workload", "store", "store")
    assert first["evidence"][0]["word"] == "errors"
    assert abs(sum(one["probability"] for one in body["culprits"]) - 1.0) < 1e-4
    assert "no traces" in body["gaps"]


def test_a_person_reads_lines(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["diagnose", "--graph", calls(tmp_path, GRAPH), "--limit", "1"])

    assert done.exit_code == 0
    assert "workload store" in done.stdout.splitlines()[0]
    assert "not known: no traces" in done.stdout


def test_nobody_is_an_answer(tmp_path: Path) -> None:
    quiet = [one | {"errors": 0} for one in GRAPH]
    done = CliRunner().invoke(app, ["diagnose", "--graph", calls(tmp_path, quiet)])

    assert done.exit_code == 0
    assert done.stdout.startswith("no cause can be named")


def test_from_a_target_and_its_symptom(tmp_path: Path) -> None:
    words = ["diagnose", "--graph", calls(tmp_path, GRAPH), "--target", "cart", "--symptom", "errors", "--json"]

    assert json.loads(CliRunner().invoke(app, words).stdout)["culprits"][0]["name"] == "store"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--graph", "bad.jsonl"], "bad.jsonl:1: "),
        ([], "nothing to diagnose"),
        (["--symptom", "noise", "--graph", "bad.jsonl"], "--symptom noise: expected one of errors, latency"),
        (["--symptom", "latency", "--graph", "bad.jsonl"], "--namespace and --symptom say more of a --target"),
        (["--namespace", "shop", "--graph", "bad.jsonl"], "--namespace and --symptom say more of a --target"),
        (["--since", "nan", "--graph", "bad.jsonl"], "--since: a time of nan: Unix seconds are wanted"),
    ],
)
def test_bad_input_is_one_clear_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"caller": "a"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["observer", "diagnose", *words])

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
