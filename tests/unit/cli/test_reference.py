"""The reference pages, the shipped settings and the schemas in the tree are what the code says today."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from observer.cli.reference import main, pages, shipped
from observer.domain import names

ROOT = Path(__file__).parents[3]
FILES = {**{f"docs/reference/{name}": text for name, text in pages().items()}, **{
    f"deploy/{name}": text for name, text in shipped().items()
}}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_of_today(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name], "run `make docs`"


def test_it_writes_into_folders_of_its_own(tmp_path: Path) -> None:
    assert main([str(tmp_path / "a" / "docs"), str(tmp_path / "deploy")]) == 0
    assert sorted(path.name for path in (tmp_path / "a" / "docs").iterdir()) == sorted(pages())
    assert all((tmp_path / "deploy" / name).read_text() == text for name, text in shipped().items())


def test_without_a_folder_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err


def test_every_metric_has_a_meaning() -> None:
    metrics = pages()["metrics.md"]
    assert names.TICKS_TOTAL in metrics and names.OBJECTIVES in metrics
    assert "| ` ` |" not in metrics and "|  |" not in metrics


def without_a_word(node: object, path: str = "") -> Iterator[str]:
    """Keys of a schema that say nothing about themselves; a reference says what the other end does."""
    if isinstance(node, dict):
        for name, field in node.get("properties", {}).items():
            if not field.get("description") and not {"const", "$ref"} & set(field):
                yield f"{path}.{name}"
        for key, inner in node.items():
            yield from without_a_word(inner, f"{path}.{key}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from without_a_word(inner, f"{path}[{index}]")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
def test_every_key_of_a_schema_explains_itself(name: str) -> None:
    body = json.loads(FILES[name])

    jsonschema.Draft202012Validator.check_schema(body)
    assert body["$id"].startswith("urn:observer.dev:schema:")
    assert list(without_a_word(body)) == []


SHIPPED = [
    ROOT / "deploy" / "observer.yaml",
    *sorted((ROOT / "rules").glob("*.yaml")),
    *(ROOT / "rules/tests").iterdir(),
]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_shipped_file_names_the_schema_that_it_fits(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)

    assert named is not None
    schema = json.loads((file.parent / named[1]).resolve().read_text(encoding="utf-8"))
    check = jsonschema.Draft202012Validator(schema)
    for document in yaml.safe_load_all(text):
        assert [error.message for error in check.iter_errors(document)] == []
