"""``observer check PATH``: exit codes, and what each form of output holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from observer.cli.main import app

ROOT = Path(__file__).parents[3]


def example(check: str, part: int) -> str:
    text = (ROOT / "docs" / "checks" / f"{check}.md").read_text()
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[part]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "warning.yaml").write_text(example("client-errors", 0).replace("name: cart", "name: pay"))
    (tmp_path / "good.yaml").write_text(example("reporter-missing", 1))
    return tmp_path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, words)])


def test_a_warning_does_not_fail(folder: Path) -> None:
    result = run(folder)

    assert result.exit_code == 0
    assert "[warning client-errors]" in result.output
    assert "false actions a month" in result.output


def test_an_error_fails_with_one(folder: Path) -> None:
    (folder / "bad.yaml").write_text(example("reporter-missing", 0).replace("name: cart", "name: mail"))

    result = run(folder)
    assert result.exit_code == 1
    assert f"{folder / 'bad.yaml'}:13:44 spec.indicator" in result.output
    assert "2 errors, 1 warning" in result.output


def test_what_cannot_be_read_fails_with_two_and_is_told_in_every_form(folder: Path) -> None:
    (folder / "bad.yaml").write_text("kind: [\n")

    for output, wanted in (
        ("text", "[error unreadable]"),
        ("json", '"check": "unreadable"'),
        ("sarif", '"ruleId": "unreadable"'),
        ("github", "::error file="),
    ):
        result = run(folder, "--output", output)
        assert (result.exit_code, wanted in result.output) == (2, True)


def test_json_keeps_what_the_settings_allow(folder: Path) -> None:
    body = json.loads(run(folder, "--json").output)

    assert body["ok"] is True
    assert [row["check"] for row in body["findings"]] == ["client-errors"]
    assert {row["tier"] for row in body["tiers"]} == {"annotate", "drain", "evict", "node"}


def test_sarif_and_github_hold_findings_alone(folder: Path) -> None:
    assert len(json.loads(run(folder, "--output", "sarif").output)["runs"][0]["results"]) == 1
    assert len(run(folder, "--output", "github").output.splitlines()) == 1


def test_without_paths_only_the_settings_are_told() -> None:
    result = run()

    assert result.exit_code == 0
    assert result.output.startswith("settings ")
    assert json.loads(run("--json").output)["findings"] == []
