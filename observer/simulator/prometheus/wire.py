"""How the Prometheus API writes and reads: numbers, results, times, durations."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import promql_parser as pp

from observer.domain.counts import IntArray
from observer.simulator.prometheus.promql import QueryError, Samples, Scalar, Value, Vector

MAX_POINTS = 11_000


def number(value: float) -> str:
    """A sample value as Prometheus prints it: shortest form, never an exponent, ``NaN``, ``+Inf``, ``-Inf``."""
    if value.is_integer() and abs(value) < 1e15:
        return "-0" if value == 0 and math.copysign(1.0, value) < 0 else str(int(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def instant_text(at_ms: int) -> str:
    """Unix seconds with at most three decimals."""
    return f"{at_ms / 1000:.3f}".rstrip("0").rstrip(".") if at_ms % 1000 else str(at_ms // 1000)


def vector_json(value: Value, at_ms: int, shuffle: random.Random | None = None) -> str:
    """The ``data`` of an instant query."""
    at = instant_text(at_ms)
    if isinstance(value, Scalar):
        return f'{{"resultType":"scalar","result":[{at},"{number(float(value.values[0]))}"]}}'
    rows = np.flatnonzero(value.present[:, 0]).tolist()
    if shuffle is not None:
        shuffle.shuffle(rows)
    texts = metric_texts(value)
    values = value.values[:, 0].tolist()
    body = ",".join(f'{{"metric":{texts[row]},"value":[{at},"{number(values[row])}"]}}' for row in rows)
    return f'{{"resultType":"vector","result":[{body}]}}'


def matrix_json(value: Value, at_ms: IntArray) -> str:
    """The ``data`` of a range query; series sorted by their labels."""
    times = [instant_text(at) for at in at_ms.tolist()]
    if isinstance(value, Scalar):
        points = _points(times, value.values.tolist())
        return f'{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{points}]}}]}}'
    texts = metric_texts(value)
    body = []
    for row in _sorted_rows(value.series.labels):
        held = np.flatnonzero(value.present[row]).tolist()
        if held:
            points = _points([times[i] for i in held], value.values[row, held].tolist())
            body.append(f'{{"metric":{texts[row]},"values":[{points}]}}')
    return f'{{"resultType":"matrix","result":[{",".join(body)}]}}'


def samples_json(samples: Samples) -> str:
    """The ``data`` of an instant query for a range selector."""
    body = []
    for row in _sorted_rows(samples.series.labels):
        times, values = samples.rows[row]
        if times.size:
            points = _points([instant_text(at) for at in times.tolist()], values.tolist())
            body.append(f'{{"metric":{json.dumps(samples.series.labels[row])},"values":[{points}]}}')
    return f'{{"resultType":"matrix","result":[{",".join(body)}]}}'


def metric_texts(vector: Vector) -> list[str]:
    """Each series' labels as JSON, kept with the series for the next answer."""
    series = vector.series
    if series.texts is None:
        series.texts = [json.dumps(labels, ensure_ascii=False, separators=(",", ":")) for labels in series.labels]
    return series.texts


def _points(times: Sequence[str], values: Sequence[float]) -> str:
    return ",".join(f'[{at},"{number(value)}"]' for at, value in zip(times, values, strict=True))


def _sorted_rows(labels: Sequence[Mapping[str, str]]) -> list[int]:
    return sorted(range(len(labels)), key=lambda row: sorted(labels[row].items()))


def bad_parameter(name: str, why: str) -> QueryError:
    """400 as the API words it."""
    return QueryError("bad_data", f'invalid parameter "{name}": {why}')


def read_time(name: str, text: str) -> int:
    """Unix seconds (with decimals) or RFC 3339, in milliseconds."""
    try:
        return _seconds_to_ms(float(text))
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_parameter(name, f'cannot parse "{text}" to a valid timestamp') from error
    return _seconds_to_ms((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


def read_step(text: str) -> int:
    """Seconds or a Prometheus duration, in milliseconds; above zero."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = _duration(text)
    step = _seconds_to_ms(seconds)
    if step <= 0:
        raise bad_parameter(
            "step", "zero or negative query resolution step widths are not accepted. Try a positive integer"
        )
    return step


def _duration(text: str) -> float:
    try:
        return pp.parse_duration(text).total_seconds()
    except ValueError as error:
        raise bad_parameter("step", f'cannot parse "{text}" to a valid duration') from error


def _seconds_to_ms(seconds: float) -> int:
    if not math.isfinite(seconds):
        raise ValueError("not a finite time")
    return round(seconds * 1000)


def steps(start: int, end: int, step: int) -> IntArray:
    """The instants of a range query, end included."""
    if end < start:
        raise bad_parameter("end", "end timestamp must not be before start time")
    if (end - start) // step > MAX_POINTS:
        raise QueryError(
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)",
        )
    return np.arange(start, end + 1, step, dtype=np.int64)


def envelope(data: str, extra: Mapping[str, object]) -> str:
    """A successful answer around ready-made JSON; ``extra`` holds ``warnings``, ``infos``, ``isPartial``."""
    more = "".join(f",{json.dumps(key)}:{json.dumps(value)}" for key, value in extra.items())
    return f'{{"status":"success","data":{data}{more}}}'
