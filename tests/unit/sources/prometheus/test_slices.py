"""Large answers are decoded in slices; nothing of that may show."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.sources.prometheus import parse

SEAM = ',{"metric":{'
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from([SEAM, f'"{SEAM}', "\\" + SEAM, '"metric":{', "}]}", '"']))
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=3)
VALUES = st.sampled_from(["0", "12.5", "1e9", "+Inf", "NaN"])


def body(series: list[tuple[dict[str, str], str]], **extra: Any) -> bytes:
    result = [{"metric": labels, "value": [1.5, value]} for labels, value in series]
    answer = {"status": "success", "data": {"resultType": "vector", "result": result}, **extra}
    return json.dumps(answer, separators=(",", ":")).encode()


@given(
    series=st.lists(st.tuples(LABELS, VALUES), max_size=12),
    infos=st.lists(TEXTS, max_size=2),
    size=st.integers(1, 120),
)
def test_slices_give_what_the_whole_gives(
    series: list[tuple[dict[str, str], str]], infos: list[str], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "_SLICE", size)
        found = parse.vector(body(series, infos=infos))

    assert [msgspec.json.decode(bytes(one.metric)) for one in found] == [labels for labels, _ in series]
    for one, (_, text) in zip(found, series, strict=True):
        assert one.value.value == float(text) or (math.isnan(one.value.value) and text == "NaN")


def test_large_answers_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "_SLICE", 100)
    longest = 0

    class Watching:
        def decode(self, text: bytes) -> list[parse.Sample]:
            nonlocal longest
            longest = max(longest, len(text))
            return real.decode(text)

    real = parse._SAMPLES
    monkeypatch.setattr(parse, "_SAMPLES", Watching())
    found = parse.vector(body([({"pod": f"cart-{i}"}, "1") for i in range(200)]))

    assert len(found) == 200
    assert 100 <= longest <= 200


@pytest.mark.parametrize("spoilt", [b'"value":[1.5,[]]', b'"value":[1.5,"many"]', b'"value"'])
def test_a_spoilt_slice_spoils_the_answer(monkeypatch: pytest.MonkeyPatch, spoilt: bytes) -> None:
    monkeypatch.setattr(parse, "_SLICE", 100)
    whole = body([({"pod": f"cart-{i}"}, "7" if i == 20 else "1") for i in range(40)])

    with pytest.raises(SourceProtocolError, match="malformed"):
        parse.vector(whole.replace(b'"value":[1.5,"7"]', spoilt))


def test_a_partial_answer_is_refused_in_slices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "_SLICE", 100)
    with pytest.raises(SourceUnavailable, match="a store is down"):
        parse.vector(body([({"pod": f"cart-{i}"}, "1") for i in range(40)], warnings=["a store is down"]))
