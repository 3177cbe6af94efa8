"""The reference pages in the tree are what the code says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from observer.cli.reference import PAGES, main, pages
from observer.domain import names

DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_of_today(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"


def test_it_writes_into_a_folder_of_its_own(tmp_path: Path) -> None:
    assert main([str(tmp_path / "a" / "b")]) == 0
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(PAGES)


def test_without_a_folder_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err


def test_every_metric_has_a_meaning() -> None:
    metrics = pages()["metrics.md"]
    assert names.TICKS_TOTAL in metrics and names.OBJECTIVES in metrics
    assert "| ` ` |" not in metrics and "|  |" not in metrics
