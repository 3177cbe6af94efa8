"""The pages of the reasons are those that the code makes, and every reason has its place on one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from observer.domain.guidance import GUIDANCE
from observer.domain.reasons import Page, Reason, page_of
from observer.engine.guards.order import GUARDS
from tests.tools.reason_pages import pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_in_the_tree_is_the_one_that_the_code_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name], "run `make docs`"


def test_no_page_is_left_over() -> None:
    folders = {page.value.partition("/")[0] for page in Page}
    retained = {path.relative_to(FOLDER).as_posix() for folder in folders for path in (FOLDER / folder).rglob("*.md")}
    assert retained == {f"{page.value}.md" for page in Page}


def test_every_reason_is_explained_once_and_has_an_anchor() -> None:
    explained = {reason for guard in GUARDS for reason in guard.advice} | set(GUIDANCE)
    assert explained == {reason for reason in Reason if reason}
    for reason in explained:
        page, _, anchor = page_of(reason).partition("#")
        headings = re.findall(r"^### (\w+)$", PAGES[page], re.MULTILINE)
        assert headings.count(anchor) == 1


def test_what_somebody_else_said_has_no_page() -> None:
    assert page_of("prometheus_timeout") == page_of("") == ""
    assert not Reason("prometheus_timeout").listed and Reason("paused").listed


def test_a_sentence_each() -> None:
    for word in (*Reason, *(guard.name for guard in GUARDS)):
        assert word.meaning[0].isupper() or word.meaning.startswith("istiod")
        assert word.meaning.endswith(".") and ". " not in word.meaning
