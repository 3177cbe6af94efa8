"""``docs/diagnose.md`` followed word by word, as somebody new does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from observer.cli.diagnose import SYMPTOMS
from observer.cli.main import app
from observer.domain.attribution import CauseKind, Measure
from observer.exchange.incident_lines import EdgeLine, SampleLine, SpanLine

PAGE = (Path(__file__).parents[3] / "docs" / "diagnose.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([a-z.]+)`\n\n```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ observer (.*)$", PAGE, re.MULTILINE)


@pytest.fixture(autouse=True)
def _in_a_folder_with_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")


def run(command: str) -> str:
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0, f"{command}: {done.output}"
    return done.stdout


def test_the_page_holds_files_and_commands() -> None:
    assert set(FILES) == {"graph.jsonl", "traces.jsonl"}
    assert len(COMMANDS) == 3


def test_every_command_of_the_page_names_whom_the_page_names() -> None:
    for command in COMMANDS:
        told = run(command)
        if "--json" in command:
            culprits = json.loads(told)["culprits"]
            assert (culprits[0]["kind"], culprits[0]["name"], len(culprits)) == ("workload", "store", 2)
        else:
            assert told.splitlines()[0].endswith("workload store")
            assert told.splitlines()[-1].startswith("not known: ")


def test_the_fields_of_the_answer_are_those_of_the_page() -> None:
    body: dict[str, Any] = json.loads(run(next(one for one in COMMANDS if "--json" in one)))
    text = PAGE[PAGE.index("**The answer**") :]

    assert all(f"`{name}`" in text for name in (*body, *body["culprits"][0]))
    assert all(f"`{kind}`" in text for kind in CauseKind)


@pytest.mark.parametrize("kind", [SampleLine, EdgeLine, SpanLine])
def test_the_page_names_every_field_that_is_read(kind: type[msgspec.Struct]) -> None:
    assert all(f"`{field.name}`" in PAGE for field in msgspec.structs.fields(kind))


def test_the_page_names_every_word_and_option() -> None:
    usage = CliRunner().invoke(app, ["diagnose", "--help"], env={"COLUMNS": "200"}).stdout

    assert all(f"`{word}`" in PAGE for word in (*SYMPTOMS, *Measure))
    for option in re.findall(r"--[a-z]+", usage):
        assert option == "--help" or option in PAGE
