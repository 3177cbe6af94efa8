from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from observer.cli.main import app
from observer.domain.errors import ConfigError

GOLDEN = Path(__file__).parents[2] / "golden" / "exchange"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["convert", *map(str, words)])


def test_documents_go_to_standard_output_and_notes_to_the_other() -> None:
    result = run(GOLDEN / "sloth.yaml")

    assert result.exit_code == 0
    kinds = [one["kind"] for one in yaml.safe_load_all(result.stdout)]
    assert kinds.count("SLO") == 3
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())
    assert "window is Sloth's default of 30d" in result.stderr


def test_each_document_gets_a_file_and_none_is_written_over(tmp_path: Path) -> None:
    result = run(GOLDEN / "pyrra.yaml", "-o", tmp_path / "new")

    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == ["pyrra-1.yaml", "pyrra-2.yaml", "pyrra-3.yaml", "pyrra.yaml"]
    assert result.stdout.splitlines()[0] == str(tmp_path / "new" / "pyrra.yaml")
    again = run(GOLDEN / "pyrra.yaml", "-o", tmp_path / "new")
    assert isinstance(again.exception, ConfigError)
    assert "exists already; nothing was written" in str(again.exception)


def test_what_is_converted_passes_the_checks_for_reading(tmp_path: Path) -> None:
    for name in ("sloth", "sloth-crd", "pyrra", "v1alpha"):
        assert run(GOLDEN / f"{name}.yaml", "-o", tmp_path / name).exit_code == 0
        checked = CliRunner().invoke(app, ["check", str(tmp_path / name), "--output", "github"])
        assert checked.exit_code in {0, 1}
        assert "objective-unusable" not in checked.output


def test_converting_openslo_again_changes_nothing(tmp_path: Path) -> None:
    first = run(GOLDEN / "sloth.yaml").stdout
    (tmp_path / "v1.yaml").write_text(first)

    assert run(tmp_path / "v1.yaml").stdout == first


def test_the_format_may_be_told_and_must_be_known() -> None:
    wrong = run(GOLDEN / "pyrra.yaml", "--from", "nobl9")
    assert (wrong.exit_code, "must be one of openslo" in wrong.stderr) == (2, True)

    refused = run(GOLDEN / "pyrra.yaml", "--from", "sloth")
    assert isinstance(refused.exception, ConfigError)
    assert "slos: is missing" in str(refused.exception)


@pytest.mark.parametrize("text", ["a: [", "- x\n"])
def test_a_file_that_cannot_be_read_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)

    result = run(tmp_path / "a.yaml")
    assert isinstance(result.exception, ConfigError)
