"""The class of a request, by code, flags and gRPC status."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.domain.classify import EXCLUDED_FLAGS, is_unreached, request_class
from observer.domain.counts import RequestClass

OK, ERROR, EXCLUDED = RequestClass.OK, RequestClass.ERROR, RequestClass.EXCLUDED

CASES = [
    ("200", "-", "", OK),
    ("200", "", "", OK),
    ("101", "-", "", OK),
    ("404", "-", "", OK),
    ("404", "NR", "", OK),
    ("429", "-", "", OK),
    ("429", "RL", "", EXCLUDED),
    ("500", "-", "", ERROR),
    ("503", "UH", "", ERROR),
    ("503", "UF", "", ERROR),
    ("503", "UC", "", ERROR),
    ("503", "URX", "", ERROR),
    ("503", "URX,UF", "", ERROR),
    ("504", "UT", "", ERROR),
    ("503", "UR", "", ERROR),
    ("503", "LR", "", ERROR),
    ("503", "UO", "", EXCLUDED),
    ("503", "URX,UO", "", EXCLUDED),
    ("503", "FI", "", EXCLUDED),
    ("200", "DI", "", EXCLUDED),
    ("500", "DI,-", "", EXCLUDED),
    ("403", "UAEX", "", EXCLUDED),
    ("500", "RLSE", "", EXCLUDED),
    ("0", "DC", "", EXCLUDED),
    ("500", "DC", "", EXCLUDED),
    ("0", "-", "", EXCLUDED),
    ("0", "", "", EXCLUDED),
    ("0", "UC", "", ERROR),
    ("", "-", "", EXCLUDED),
    ("42836664", "-", "", EXCLUDED),
    ("5xx", "-", "", EXCLUDED),
    ("\u0665\u0660\u0660", "-", "", EXCLUDED),
    ("600", "-", "", EXCLUDED),
    ("099", "-", "", EXCLUDED),
    ("200", "-", "0", OK),
    ("200", "-", "1", OK),
    ("200", "-", "2", ERROR),
    ("200", "-", "4", ERROR),
    ("200", "-", "5", OK),
    ("200", "-", "8", OK),
    ("200", "-", "13", ERROR),
    ("200", "-", "14", ERROR),
    ("200", "-", "15", ERROR),
    ("200", "-", "unavailable", ERROR),
    ("200", "DC", "14", EXCLUDED),
    ("", "-", "0", OK),
    ("0", "-", "14", ERROR),
]


@pytest.mark.parametrize(("code", "flags", "grpc", "expected"), CASES)
def test_the_class_of_a_request(code: str, flags: str, grpc: str, expected: RequestClass) -> None:
    assert request_class(code, flags, grpc) is expected


@pytest.mark.parametrize(
    ("code", "flags", "unreached"),
    [("503", "UF", True), ("503", "URX,UF", True), ("0", "UC", True), ("500", "-", False), ("503", "UF,DC", False)],
)
def test_what_reached_nobody_is_told_by_flag(code: str, flags: str, unreached: bool) -> None:
    assert is_unreached(code, flags) is unreached


@given(st.text(), st.text(), st.text())
def test_no_label_value_is_too_odd(code: str, flags: str, grpc: str) -> None:
    assert request_class(code, flags, grpc) in RequestClass
    assert not is_unreached(code, flags, grpc) or request_class(code, flags, grpc) is ERROR


@given(st.sampled_from(sorted(EXCLUDED_FLAGS)), st.lists(st.text(alphabet="ABCDFHIORTUX-", max_size=4)), st.text())
def test_an_excluded_flag_outweighs_everything(flag: str, others: list[str], grpc: str) -> None:
    assert request_class("503", ",".join([*others, flag]), grpc) is EXCLUDED
