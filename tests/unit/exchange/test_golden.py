"""What each format becomes, recorded: the documents, and beneath them everything that was not carried as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from observer.cli.convert import convert_files
from observer.config.openslo.assemble import assemble
from observer.config.openslo.documents import parse_documents
from observer.domain.errors import ConfigError

GOLDEN = Path(__file__).parents[2] / "golden" / "exchange"
GOOD = sorted(path.stem for path in GOLDEN.glob("*.yaml") if path.stem != "refused")


@pytest.mark.parametrize("name", GOOD)
def test_conversion_is_as_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)

    result = convert_files([Path(f"{name}.yaml")], None)

    told = "---\n".join(result.files.values()) + "".join(f"# {note}\n" for note in result.notes)
    assert told == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", GOOD)
def test_what_is_recorded_makes_objectives(name: str) -> None:
    found = assemble(parse_documents((GOLDEN / f"{name}.txt").read_text()), at=1_780_000_000.0)

    assert found.faults == []
    assert found.made


def test_what_cannot_be_carried_is_refused_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)

    with pytest.raises(ConfigError) as caught:
        convert_files([Path("refused.yaml")], None)

    assert str(caught.value) + "\n" == (GOLDEN / "refused.txt").read_text()
