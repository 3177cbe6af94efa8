"""``observer test`` as people call it: shipped tests, exit codes, starters, the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from observer.cli.main import app, main

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "rules" / "tests").glob("*.yaml"))
MESH = ("mesh-availability", "mesh-latency", "mesh-grpc-availability", "mesh-gateway-availability")
STORIES = ["healthy", "one error", "outage", "slow burn", "idle", "absent", "rollout gap", "birth", "reset"]
HEAD = "apiVersion: observer.dev/v1alpha1\nkind: PolicyTest\nrules: [shipped]\ntests:\n"


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["test", *map(str, words)])


def written(folder: Path, expect: str, name: str = "quiet") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"{HEAD}  - name: {name}\n    workloads: {{shop/cart: {{replicas: 3}}}}\n    expect: [{expect}]\n")
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_policies_do_what_their_tests_say(path: Path) -> None:
    done = call(path)

    assert done.exit_code == 0, done.stdout
    assert "0 failed" in done.stdout


def test_the_page_holds_a_test_that_passes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "policy-tests.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "page.yaml").write_text(blocks[0])

    done = call(tmp_path / "page.yaml")

    assert len(blocks) == 1
    assert done.exit_code == 0, done.stdout


def test_exit_codes_and_words(tmp_path: Path) -> None:
    good = written(tmp_path, "{at: 1m, verdict: none}")
    bad = written(tmp_path, "{before: 1m, verdict: act, action: drain}", "loud")

    assert call(good).exit_code == 0
    done = call(tmp_path)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        f"FAILED  {bad}:5  loud",
        "          line 7: expected between 0s and 1m: act drain",
        "            came no decision at all",
        f"ok      {good}:5  quiet",
        "1 passed, 1 failed",
    ]
    assert call(tmp_path, "-k", "quiet").exit_code == 0
    bad.write_text("a: [\n")
    done = call(tmp_path)
    assert done.exit_code == 2
    assert f"observer: {bad}:2:1: not YAML" in done.stdout and f"ok      {good}" in done.stdout
    assert call(tmp_path / "nowhere.yaml").exit_code == 2
    assert "no test named like 'loudest'" in call(good, "-k", "loudest").stdout


def test_json_for_machines(tmp_path: Path) -> None:
    path = written(tmp_path, "{before: 1m, verdict: act}")

    body = json.loads(call(path, "--json").stdout)

    assert body["ok"] is False
    [test] = body["tests"]
    assert (test["file"], test["line"], test["name"], test["ok"]) == (str(path), 5, "quiet", False)
    assert test["failures"] == [{"line": 7, "expected": "between 0s and 1m: act", "came": ["no decision at all"]}]


def test_objectives_that_there_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, "{at: 1m, objective: shop/nothing, alert: none}")
    assert "shop/nothing is not looked at in this test" in call(path).stdout

    path.write_text(path.read_text().replace("    expect", "    objectives: [mesh-latenc]\n    expect"))
    done = call(path)
    assert done.exit_code == 2
    assert "objectives: mesh-latenc is not defined" in done.stdout


@pytest.mark.parametrize("name", MESH)
def test_starters_of_a_shipped_objective_pass(name: str, tmp_path: Path) -> None:
    assert call("--init", name, "-o", tmp_path).exit_code == 0

    body = json.loads(call(tmp_path, "--json").stdout)

    assert [one["name"] for one in body["tests"]] == STORIES
    assert [one["failures"] for one in body["tests"]] == [[]] * len(STORIES)
    file = next(tmp_path.iterdir()).read_text()
    assert "alert: page" in file and "alert: ticket" in file and "state: idle" in file and "state: absent" in file


OWN = """apiVersion: openslo/v1
kind: SLO
metadata: {{name: own, annotations: {{observer.dev/burn: sre-30d}}}}
spec:
  service: mail
  budgetingMethod: {method}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  indicator: {{metadata: {{name: own}}, spec: {{{sli}}}}}
  objectives: [{{{objective}}}]
"""
METRIC = "{metricSource: {spec: {query: '%s'}}}"


def ratio(part: str, query: str, total: str) -> str:
    return f"ratioMetric: {{counter: true, {part}: {METRIC % query}, total: {METRIC % total}}}"


@pytest.mark.parametrize(
    ("method", "sli", "objective", "missing"),
    [
        ("Occurrences", ratio("bad", 'r{code=~"5..|0"}', 'r{code!="404"}'), "target: 0.999", ()),
        ("Occurrences", ratio("good", 'r{code!~"5.."}', "r"), "target: 0.95", ()),
        ("Occurrences", ratio("good", "sent or passed", "taken"), "target: 0.99", ()),
        ("RatioTimeslices", ratio("bad", "failed", "taken"), "target: 0.99, timeSliceWindow: 1m", ("slow burn",)),
        (
            "Timeslices", ratio("bad", "failed", "taken"),
            "target: 0.99, timeSliceWindow: 1m, timeSliceTarget: 0.9", ("slow burn",),
        ),
        (
            "Occurrences", f"thresholdMetric: {METRIC % 'max(age_seconds)'}",
            "target: 0.99, op: lte, value: 60", ("slow burn", "idle", "rollout gap", "birth", "reset"),
        ),
    ],
)  # fmt: skip
def test_starters_of_own_objectives_pass(
    method: str, sli: str, objective: str, missing: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN.format(method=method, sli=sli, objective=objective))
    done = call("--init", file, "-o", tmp_path / "tests")
    assert done.exit_code == 0, done.exception

    body = json.loads(call(tmp_path / "tests", "--json").stdout)

    assert [one["name"] for one in body["tests"]] == [name for name in STORIES if name not in missing]
    assert [one["failures"] for one in body["tests"]] == [[]] * len(body["tests"])


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    monkeypatch.setattr("sys.argv", ["observer", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_starters_say_what_they_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(monkeypatch, capsys, "test", "--init", "nobody", "-o", tmp_path)
    assert "--init nobody: no file and no objective; known are mesh-availability, " in told

    call("--init", "mesh-latency", "-o", tmp_path)
    told = refused(monkeypatch, capsys, "test", "--init", "mesh-latency", "-o", tmp_path)
    assert "is there already" in told

    file = tmp_path / "own.yaml"
    file.write_text(OWN.format(method="Occurrences", sli=ratio("bad", "a", 'b{c="d",c!="d"}'), objective="target: 0.9"))
    told = refused(monkeypatch, capsys, "test", "--init", file, "-o", tmp_path / "x")
    assert "no series can be made up for b" in told
    assert "name test files or directories" in refused(monkeypatch, capsys, "test")
