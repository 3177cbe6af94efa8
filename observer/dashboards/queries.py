"""Pieces of PromQL that several dashboards are made of."""

from __future__ import annotations

from typing import Final

from observer.dashboards.model import Variable
from observer.domain import names

RANGE: Final = "$__rate_interval"
JOB: Final = Variable("job", "Job", f"label_values({names.TICKS_TOTAL}, job)")
INSTANCE: Final = Variable("instance", "Instance", f'label_values({names.TICKS_TOTAL}{{job=~"$job"}}, instance)')
_OWN: Final = 'job=~"$job", instance=~"$instance"'


def own(metric: str, *matchers: str) -> str:
    """A selector of Observer's own metrics, for the chosen jobs and instances."""
    return f"{metric}{{{', '.join((_OWN, *matchers))}}}"


def rate(selector: str) -> str:
    """Its growth a second."""
    return f"rate({selector}[{RANGE}])"


def grown(selector: str) -> str:
    """Its growth over one point of the graph."""
    return f"increase({selector}[{RANGE}])"


def by(labels: str, expr: str, how: str = "sum") -> str:
    """``how by (labels) (expr)``."""
    return f"{how} by ({labels}) ({expr})"


def share(part: str, whole: str) -> str:
    """``part / whole``, 0 where there is a whole and no part; both must have the same labels."""
    return f"({part} or {whole} * 0) / {whole}"


def quantile(level: float, buckets: str, labels: str = "le") -> str:
    """A quantile of a histogram, kept apart by ``labels``."""
    return f"histogram_quantile({level:g}, {by(labels, rate(buckets))})"


def quoted(value: str) -> str:
    """A label value inside its quotes."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
