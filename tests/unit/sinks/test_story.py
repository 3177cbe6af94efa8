from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.decision import Decision, Verdict
from observer.domain.kinds import Kind
from observer.ports.actuators import Sink
from observer.sinks.story import StorySink, offset, story_line

SUSPECTED = Decision(
    id="d1",
    at=1000.0,
    kind=Kind.SUSPECTED,
    verdict=Verdict.TELL,
    subject="pod shop/cart-1",
    reason="peers",
    text="pod shop/cart-1 fails 30 % of requests,\n  its siblings 0.1 %",
    figures={"evidence_score": 17.512, "requests": 1234.0, "cut": None, "tied": False, "node": "n1"},
)


async def test_lines_tell_when_what_and_why() -> None:
    lines: list[str] = []
    sink: Sink = StorySink(lines.append)
    await sink.publish(SUSPECTED)
    drain = replace(
        SUSPECTED, at=1065.4, kind=Kind.DRAIN_EFFECTIVE, verdict=Verdict.ACT, text="traffic has left", figures={}
    )
    await sink.publish(drain)
    await sink.close()

    assert lines == [
        (
            "  +0:00  SUSPECTED        pod shop/cart-1 fails 30 % of requests, its siblings 0.1 %"
            "  [evidence score 17.5, requests 1234, tied no, node n1]"
        ),
        "  +1:05  DRAIN EFFECTIVE  traffic has left",
    ]


def test_what_would_be_done_is_not_told_as_done() -> None:
    line = story_line(replace(SUSPECTED, kind=Kind.EVICT, verdict=Verdict.WOULD, figures={}), 1000.0)

    assert line.startswith("  +0:00  WOULD EVICT      pod")


def test_a_few_figures_are_enough() -> None:
    line = story_line(replace(SUSPECTED, figures={f"f{number}": float(number) for number in range(9)}), 1000.0)

    assert line.endswith("[f0 0, f1 1, f2 2, f3 3, f4 4, f5 5]")


@pytest.mark.parametrize(("seconds", "text"), [(0, "  +0:00"), (59.6, "  +1:00"), (3601, " +60:01"), (-4, "  -0:04")])
def test_offsets(seconds: float, text: str) -> None:
    assert offset(seconds) == text
