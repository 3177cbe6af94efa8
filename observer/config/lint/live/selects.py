"""How much a selector selects: the figure that shows whether it means what its author meant."""

from __future__ import annotations

from collections.abc import AsyncIterator

from observer.config.documents.faults import counted
from observer.config.lint.check import Severity
from observer.config.lint.expressions import Selected
from observer.config.lint.live.queries import Answers, LiveCheck
from observer.config.lint.subject import Hit, IndicatorQuery


async def _run(question: IndicatorQuery, selected: Selected, answers: Answers) -> AsyncIterator[Hit]:
    count = await answers.count(selected.text)
    if count == 0:
        return
    pods = [value for value in await answers.values(selected.text, "pod") if value]
    of_pods = f" of {counted(len(pods), 'pod')}" if pods else ""
    yield question.hit(f"{selected.metric or 'a selector'} selects {count} series{of_pods} now")


CHECK = LiveCheck("live-selects", Severity.INFO, "how much a selector selects now", _run)
