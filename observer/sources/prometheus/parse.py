"""Answers of the query API -> samples. Only what is complete and well-formed leaves this file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, TypeVar

import msgspec
import numpy as np

from observer.domain.counts import FloatArray
from observer.domain.errors import SourceProtocolError, SourceUnavailable

T = TypeVar("T")


class Point(msgspec.Struct, array_like=True, gc=False):
    """``[time, "value"]``; numbers arrive as texts."""

    at: float
    value: float


class Sample(msgspec.Struct, gc=False):
    """One series at one instant; its labels stay as they came until somebody has not seen them before."""

    metric: msgspec.Raw
    value: Point


class Track(msgspec.Struct, gc=False):
    """One series over a range."""

    metric: dict[str, str]
    values: list[Point]


class _Vector(msgspec.Struct):
    result: list[Sample]
    kind: str = msgspec.field(name="resultType", default="vector")


class _Matrix(msgspec.Struct):
    result: list[Track]
    kind: str = msgspec.field(name="resultType", default="matrix")


class _VectorAnswer(msgspec.Struct):
    status: str
    data: _Vector | None = None
    warnings: list[str] | None = None
    partial: bool = msgspec.field(name="isPartial", default=False)


class _MatrixAnswer(msgspec.Struct):
    status: str
    data: _Matrix | None = None
    warnings: list[str] | None = None
    partial: bool = msgspec.field(name="isPartial", default=False)


_PLUS_INF = re.compile(rb',\s*"\+Inf"\s*\]')
_SLICE: Final = 1 << 18
"""
Bytes of an answer that are decoded in one go. The decoder keeps the interpreter's lock to the end of its call, so that
decoding in a thread lets the event loop run between two calls only.
"""
_SEAM: Final = b',{"metric":{'
"""
Stands between two series and nowhere else: a quote inside a label is escaped, and a label's value is no object. Where
an answer is spelled with blanks it is decoded in one go.
"""
_VECTOR = msgspec.json.Decoder(_VectorAnswer, strict=False)
_SAMPLES = msgspec.json.Decoder(list[Sample], strict=False)
_MATRIX = msgspec.json.Decoder(_MatrixAnswer, strict=False)
_LABELS: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])


def vector(body: bytes) -> list[Sample]:
    """
    The samples of an instant answer.

    Raises ``SourceUnavailable`` (``partial``) when the server says that something is missing, ``SourceProtocolError``
    when this is no such answer.
    """
    seams = _seams(body)
    whole = body[: seams[0]] + body[seams[-1] :] if seams else body
    answer = _decoded(_VECTOR, whole)
    _check(answer.status, answer.warnings, answer.partial)
    if answer.data is None or answer.data.kind != "vector":
        raise SourceProtocolError("answered something else than a vector")
    if len(seams) < 2:
        return answer.data.result
    samples = answer.data.result[:1]
    for begin, end in pairwise(seams):
        part: list[Sample] = _decoded(_SAMPLES, b"[" + body[begin + 1 : end] + b"]")
        samples += part
    return samples + answer.data.result[1:]


def _seams(body: bytes) -> list[int]:
    """
    Places of some commas between series, about ``_SLICE`` bytes apart; empty where there is no need to cut.

    What stands before the first and after the last of them is a whole answer too, with the first and the last series.
    """
    samples = []
    at = body.find(_SEAM, 0) if len(body) > _SLICE else -1
    while at >= 0:
        samples.append(at)
        at = body.find(_SEAM, at + _SLICE)
    return samples


def matrix(body: bytes) -> list[Track]:
    """The series of a range answer; raises as ``vector`` does."""
    answer = _decoded(_MATRIX, body)
    _check(answer.status, answer.warnings, answer.partial)
    if answer.data is None or answer.data.kind != "matrix":
        raise SourceProtocolError("answered something else than a matrix")
    return answer.data.result


def labels(raw: bytes | msgspec.Raw) -> Mapping[str, str]:
    """The labels of one series."""
    return _decoded(_LABELS, raw)


def values(samples: list[Sample]) -> FloatArray:
    """Shape (len(samples),): their values."""
    return np.fromiter([sample.value.value for sample in samples], np.float64, len(samples))


def check_complete(warnings: list[str] | None, *, partial: bool) -> None:
    """Raise ``SourceUnavailable`` (``partial``) unless the server promises a whole answer. Infos are no warnings."""
    # Servers between 2.50 and 2.53 put infos among the warnings.
    serious = [text for text in warnings or () if not text.startswith("PromQL info")]
    if partial or serious:
        raise SourceUnavailable(f"partial answer{': ' if serious else ''}{'; '.join(serious)[:300]}", reason="partial")


def _check(status: str, warnings: list[str] | None, partial: bool) -> None:
    if status != "success":
        raise SourceProtocolError(f"status {status[:40]!r} in an answer that claims success")
    check_complete(warnings, partial=partial)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    text = bytes(body)
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as exc:
        # The decoder takes "Inf" for a number, but not "+Inf". A quote inside a label is escaped, so this pattern
        # never touches a label.
        if (spelled := _PLUS_INF.sub(rb',"Inf"]', text)) != text:
            return _decoded(decoder, spelled)
        raise SourceProtocolError(f"malformed answer: {exc}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SourceProtocolError(f"malformed answer: {exc}") from exc
