"""A query that is dear for the server each time it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from observer.config.lint.check import Severity
from observer.config.lint.expressions import Selected
from observer.config.lint.live.queries import Answers, LiveCheck
from observer.config.lint.subject import Hit, IndicatorQuery

_SERIES: Final = 5000
"""So many series of one SLI; a tick asks all of them again."""
_WINDOW: Final = "1h"


async def _run(question: IndicatorQuery, selected: Selected, answers: Answers) -> AsyncIterator[Hit]:
    count = await answers.count(selected.text)
    if count <= _SERIES:
        return
    cost = await answers.cost(f"sum(increase({selected.text}[{_WINDOW}]))")
    samples = "" if cost.samples is None else f"; {_WINDOW} of it reads {cost.samples:,} samples"
    taken = "" if cost.seconds is None else f" in {cost.seconds:.2g} s"
    yield question.hit(
        f"selects {count:,} series{samples}{taken}",
        "narrow it to one service, use a preset, or record the sum by a rule",
    )


CHECK = LiveCheck("live-query-cost", Severity.WARNING, "a query is dear", _run)
