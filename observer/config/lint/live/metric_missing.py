"""A metric of which the server has no series."""

from __future__ import annotations

from collections.abc import AsyncIterator

from observer.config.lint.check import Severity
from observer.config.lint.expressions import Selected
from observer.config.lint.live.queries import Answers, LiveCheck
from observer.config.lint.subject import Hit, IndicatorQuery


async def _run(question: IndicatorQuery, selected: Selected, answers: Answers) -> AsyncIterator[Hit]:
    if not await answers.exists(selected):
        yield question.hit(
            f"the server has no series of {selected.metric}", "a typing error, a missing scrape job, or no traffic yet"
        )


CHECK = LiveCheck("live-metric-missing", Severity.ERROR, "a metric has no series", _run)
