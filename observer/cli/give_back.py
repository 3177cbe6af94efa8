"""``observer undo`` and ``observer restore``: give drained pods back without daemon or journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from observer.app import connected, give_back
from observer.cli.output import EXIT_NOT_FOUND, EXIT_UNREACHABLE
from observer.config.settings.model import Settings
from observer.domain.outcome import Outcome, Result
from observer.runtime.clock import SystemClock

Given = Sequence[tuple[str, Outcome]]


async def one_pod(settings: Settings, pod: str) -> tuple[int, dict[str, Any], str]:
    """Give ``NAMESPACE/POD`` back now; exit code, JSON body, text."""
    async with connected(settings) as api:
        given = await give_back(api, now=SystemClock().now(), force=True, only=pod)
    if not given:
        return EXIT_NOT_FOUND, _body(given), f"{pod}: nothing to give back: there is no such pod"
    if all(outcome.result is Result.SUPERSEDED for _, outcome in given):
        return EXIT_NOT_FOUND, _body(given), f"nothing to give back: {_text(given)}"
    return _code(given), _body(given), _text(given)


async def many_pods(settings: Settings, *, force: bool) -> tuple[int, dict[str, Any], str]:
    """Give back what has expired, or with ``force`` all that Observer drained."""
    async with connected(settings) as api:
        given = await give_back(api, now=SystemClock().now(), force=force, only=None)
    text = _text(given) if given else "nothing to give back"
    return _code(given), _body(given), text


def _code(given: Given) -> int:
    fine = {Result.APPLIED, Result.SUPERSEDED}
    return 0 if all(outcome.result in fine for _, outcome in given) else EXIT_UNREACHABLE


def _body(given: Given) -> dict[str, Any]:
    return {
        "pods": [
            {"pod": pod, "result": outcome.result.value, "reason": outcome.reason, "detail": outcome.detail}
            for pod, outcome in given
        ]
    }


def _text(given: Given) -> str:
    return "\n".join(f"{pod}: {one.result.value}: {one.reason} {one.detail}".rstrip() for pod, one in given)
