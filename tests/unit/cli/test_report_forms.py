"""The forms of the summary, to the letter, and what others' words cannot do to them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from observer.cli import report_forms as words
from observer.cli.output import PLAIN, Paint, bare
from observer.cli.report import ReportForm, written
from observer.cli.report_forms import MOST_ROWS, escaped, slack
from observer.domain.ids import ServiceRef
from observer.domain.slo import LedgerCount, Objective, RatioSli, RollingWindow
from observer.domain.summary import BudgetUse, HealthSummary, RequestToPeople
from observer.engine.summary import Records, summarize
from tests.support.journals import HOUR, MORNING, a_night

GOLDEN = Path(__file__).parents[2] / "golden" / "report"
SUFFIX = {ReportForm.TEXT: "txt", ReportForm.HTML: "html", ReportForm.SLACK: "slack.json", ReportForm.JSON: "json"}
HOSTILE = "<script>alert(1)</script> <!channel> \x1b[2J & *loud*"


def night() -> HealthSummary:
    incidents, told, acts = a_night()
    cart = Objective(
        "shop/answers",
        "v",
        "answers",
        "cart",
        RatioSli(),
        0.999,
        RollingWindow(30 * 86_400.0),
        scope=ServiceRef("shop", "cart"),
    )
    counts = [
        LedgerCount("shop/answers", MORNING - HOUR, 99_950.0, 100_000.0),
        LedgerCount("shop/quiet", MORNING - HOUR, 10.0, 10.0),
    ]
    known = {"shop/answers": cart, "shop/quiet": replace(cart, id="shop/quiet", slo="quiet")}
    sights = [one for one in told if one.subject == "observer"]
    records = Records(incidents, told, sights, [entry for _, entry in acts], counts, known)
    return summarize(records, MORNING - 86_400.0, MORNING, ["the daemon did not answer"])


EMPTY = summarize(Records(), MORNING - 86_400.0, MORNING)


@pytest.mark.parametrize("form", list(ReportForm))
@pytest.mark.parametrize(("name", "found"), [("night", night()), ("empty", EMPTY)])
def test_to_the_letter(name: str, found: HealthSummary, form: ReportForm) -> None:
    """``OBSERVER_GOLDEN=write`` writes the files anew; look at the difference before it is committed."""
    path = GOLDEN / f"{name}.{SUFFIX[form]}"
    text = written(found, form, PLAIN) + "\n"
    if os.environ.get("OBSERVER_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_an_empty_span_is_never_called_well() -> None:
    text = written(EMPTY, ReportForm.TEXT, PLAIN)
    assert "no proof that all was well" in text and "not known: nothing was recorded" in text


def test_colours_change_no_word() -> None:
    painted = written(night(), ReportForm.TEXT, Paint(on=True))
    assert bare(painted) == written(night(), ReportForm.TEXT, PLAIN) != painted


def test_others_words_stay_words() -> None:
    found = replace(
        EMPTY, decisions=1, action_required=(RequestToPeople("look", f"pod shop/{HOSTILE}", MORNING, HOSTILE),)
    )
    page = written(found, ReportForm.HTML, PLAIN)
    assert "<script>" not in page and "&lt;script&gt;" in page
    message = slack(found)["blocks"][3]["text"]["text"]
    assert "<" not in message and "&lt;!channel&gt;" in message and "*loud*" not in message
    assert "\x1b" not in written(found, ReportForm.TEXT, PLAIN)


def test_the_page_is_well_formed_and_fetches_nothing() -> None:
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
            assert tag not in {"script", "link", "img", "iframe"}
            if tag not in {"meta", "br"}:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(written(night(), ReportForm.HTML, PLAIN))
    assert not opened


def test_a_bad_night_stays_within_slacks_limits() -> None:
    action_required = tuple(RequestToPeople("look", f"pod shop/cart-{n}", MORNING, "x" * 400) for n in range(400))
    message = slack(replace(EMPTY, decisions=1, action_required=action_required))
    texts = [block["text"]["text"] for block in message["blocks"] if "text" in block]
    assert len(message["blocks"]) <= 50 and max(map(len, texts)) <= 3000
    assert "more; `observer report` has them all" in texts[2] and texts[2].count("\n") <= MOST_ROWS + 1


def test_escaped_is_plain_where_nothing_is_special() -> None:
    assert escaped("pod shop/cart-1 failed 31 %") == "pod shop/cart-1 failed 31 %"


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (BudgetUse("o", "o", 0.999, 5, 10_000, 0.5, -0.25), "overdrawn by 25 %"),
        (BudgetUse("o", "o", 0.999, 5, 10_000, 0.5, 0.4), "40 % left"),
        (BudgetUse("o", "o", None, 5, 10_000, None, None), "target not known"),
    ],
)
def test_budgets_in_words(one: BudgetUse, text: str) -> None:
    assert text in words.budget_text(one)


def test_an_overdrawn_budget_stands_in_the_headline_of_every_form() -> None:
    spent = BudgetUse("o", "o", 0.999, 0, 10_000, 0.0, -0.25)
    left = BudgetUse("p", "p", 0.999, 0, 10_000, 0.0, 0.0)
    calm = replace(EMPTY, decisions=1, budgets=(spent, left))
    assert words.headline(calm) == "No incident; 1 budget overdrawn."
    assert words.headline(replace(calm, decisions=0)).endswith("no proof that all was well; 1 budget overdrawn.")
    for form in ReportForm:
        assert "1 budget overdrawn" in written(calm, form, PLAIN)


def test_json_is_the_whole_summary() -> None:
    body = json.loads(written(night(), ReportForm.JSON, PLAIN))
    assert body["headline"] and len(body["interventions"]) == 3 and body["budgets"][0]["objective"] == "shop/answers"
