"""A histogram without the bucket that is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from observer.config.lint.check import Severity
from observer.config.lint.checks.bucket_le_unknown import bound_in
from observer.config.lint.expressions import Selected
from observer.config.lint.live.queries import Answers, LiveCheck
from observer.config.lint.subject import Hit, IndicatorQuery


async def _run(question: IndicatorQuery, selected: Selected, answers: Answers) -> AsyncIterator[Hit]:
    if not await answers.lacks_bucket(selected):
        return
    wanted = ", ".join(f'le{matcher.op}"{matcher.value}"' for matcher in selected.on("le"))
    yield question.hit(
        f"no bucket of {selected.metric} is {wanted}", f"nearest: {_nearest(selected, await answers.buckets(selected))}"
    )


def _nearest(selected: Selected, known: tuple[str, ...]) -> str:
    bounds = sorted((float(text), text) for text in known if text not in {"", "+Inf"})
    wanted = bound_in(selected.on("le")[0].value)
    if wanted is None:
        return ", ".join(text for _, text in bounds)
    below = [text for bound, text in bounds if bound <= wanted]
    above = [text for bound, text in bounds if bound > wanted]
    return " or ".join([*below[-1:], *above[:1]])


CHECK = LiveCheck("live-bucket-missing", Severity.ERROR, "a histogram lacks the bucket", _run)
