"""A label that no series of the metric carries."""

from __future__ import annotations

from collections.abc import AsyncIterator

from observer.config.lint.check import Severity
from observer.config.lint.expressions import Selected
from observer.config.lint.live.queries import Answers, LiveCheck
from observer.config.lint.subject import Hit, IndicatorQuery


async def _run(question: IndicatorQuery, selected: Selected, answers: Answers) -> AsyncIterator[Hit]:
    if not await answers.exists(selected):
        return  # live-metric-missing says it
    for label in await answers.missing_labels(selected):
        yield question.hit(
            f"no series of {selected.metric} has the label {label}: the query selects nothing",
            "the mesh's telemetry settings may drop it",
        )


CHECK = LiveCheck("live-label-missing", Severity.ERROR, "no series of a metric has a label", _run)
