"""What is no number permits nothing: every comparison with it would be silent."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from observer.domain.attribution import UNKNOWN, Attribution, Cause, CauseKind, EvidenceLine, RankedCause
from observer.domain.ids import PodRef, ServiceRef
from observer.engine.attribution.removal import permits_removal

POD = PodRef("shop", "cart-1", "u1")
LINE = EvidenceLine("peers", 12.0, "evidence 22 against its peers")


def found(probability: float, inherited: float, rest: float) -> Attribution:
    cause = Cause(CauseKind.POD, "shop", "cart-1", ServiceRef("shop", "cart"), POD)
    mine = RankedCause(cause, probability, 12.0, inherited, (LINE,))
    return Attribution(0.0, None, (mine, RankedCause(UNKNOWN, rest, 0.0)))


@pytest.mark.parametrize(
    ("probability", "inherited", "rest"),
    [(math.nan, 0.0, 0.001), (0.999, math.nan, 0.001), (0.999, 0.0, math.nan), (math.inf, 0.0, 0.001)],
)
def test_what_is_no_number_permits_nothing(probability: float, inherited: float, rest: float) -> None:
    assert permits_removal(found(0.999, 0.0, 0.001), POD).allowed
    refused = permits_removal(found(probability, inherited, rest), POD)
    assert not refused.allowed and "not_finite" in refused.reasons[0]


@pytest.mark.parametrize(("score", "line"), [(math.nan, 12.0), (-math.inf, 12.0), (12.0, math.inf)])
def test_nor_does_a_score_that_is_none(score: float, line: float) -> None:
    mine, unknown = found(0.999, 0.95, 0.001).ranked
    callee = ServiceRef("shop", "store")
    below = RankedCause(Cause(CauseKind.WORKLOAD, "shop", "store", callee), 0.0, score)
    seen = replace(mine, lines=(replace(LINE, score=line),))
    assert not permits_removal(Attribution(0.0, None, (seen, unknown, below)), POD).allowed
