"""``increase`` over whole blocks of series equals the definition, worked out one series at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.simulator.prometheus.tsdb import TimeSeriesMemory
from observer.simulator.prometheus.windows import growth

Sample = tuple[int, float]
steps = st.lists(st.integers(1, 40_000), min_size=1, max_size=25)
values = st.one_of(st.just(math.nan), st.integers(0, 50).map(float), st.floats(0, 1e6))


def defined(samples: list[Sample], end: int, width: int) -> float | None:
    """Increase by the definition of Prometheus 3: left-open window, resets undone, stretched towards the borders."""
    held = [(at, value) for at, value in samples if end - width < at <= end and not math.isnan(value)]
    if len(held) < 2:
        return None
    grown, previous = 0.0, held[0][1]
    for _, value in held[1:]:
        grown += value if value < previous else value - previous
        previous = value
    span = (held[-1][0] - held[0][0]) / 1000
    gap = span / (len(held) - 1)
    before, after = (held[0][0] - (end - width)) / 1000, (end - held[-1][0]) / 1000
    before = gap / 2 if before >= 1.1 * gap else before
    after = gap / 2 if after >= 1.1 * gap else after
    if grown > 0:
        before = min(before, span * held[0][1] / grown)
    return grown * (span + before + after) / span


@given(st.data())
def test_increase_by_definition(data: st.DataObject) -> None:
    times = np.cumsum(data.draw(steps)).tolist()
    rows = data.draw(st.lists(st.lists(values, min_size=len(times), max_size=len(times)), min_size=1, max_size=4))
    width = data.draw(st.integers(1, 300_000))
    instants = sorted(data.draw(st.sets(st.integers(0, times[-1] + 1000), min_size=1, max_size=5)))
    memory = TimeSeriesMemory(retention=1e9)
    block = memory.open({})
    block.table("x").add([{"__name__": "x", "row": str(row)} for row in range(len(rows))])
    for column, at in enumerate(times):
        block.append(at, {"x": np.array([row[column] for row in rows])})
    grown, known = growth(memory.select("x", ()), np.array(instants, dtype=np.int64), width, per_second=False)
    for row, samples in enumerate(rows):
        for column, end in enumerate(instants):
            wanted = defined(list(zip(times, samples, strict=True)), end, width)
            assert bool(known[row, column]) == (wanted is not None)
            if wanted is not None:
                assert grown[row, column] == pytest.approx(wanted, rel=1e-6, abs=1e-6)
