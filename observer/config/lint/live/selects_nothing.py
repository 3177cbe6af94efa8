"""Metric and labels are there, but not together."""

from __future__ import annotations

from collections.abc import AsyncIterator

from observer.config.lint.check import Severity
from observer.config.lint.expressions import Selected
from observer.config.lint.live.queries import Answers, LiveCheck
from observer.config.lint.subject import Hit, IndicatorQuery


async def _run(question: IndicatorQuery, selected: Selected, answers: Answers) -> AsyncIterator[Hit]:
    if question.role == "bad":  # a service without failures has no series of them
        return
    if not await answers.exists(selected) or await answers.missing_labels(selected):
        return
    if await answers.lacks_bucket(selected):
        return
    if await answers.count(selected.text) == 0:
        yield question.hit(f"{selected.text} selects no series now", "is the service idle, or is a value misspelled?")


CHECK = LiveCheck("live-selects-nothing", Severity.WARNING, "a selector selects nothing now", _run)
