"""One line of each file that ``observer diagnose`` reads, as it stands there; ``docs/diagnose.md`` describes them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from observer.domain.attribution import Measure
from observer.domain.traces import SpanSide

Count = Annotated[float, msgspec.Meta(ge=0.0, le=1e15)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class Phase(StrEnum):
    """Which part of the story a line belongs to."""

    REFERENCE = "reference"
    INCIDENT = "incident"


class SampleLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the metrics file; an empty ``value`` is a missing sample."""

    time: float
    service: Name
    measure: Measure
    value: float | None = None
    namespace: str = ""
    pod: str = ""
    what: str = ""
    phase: Phase | None = None


class EdgeLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the graph file: calls of one phase; ``external``: nobody observes the callee from inside."""

    caller: Name
    callee: Name
    caller_namespace: str = ""
    callee_namespace: str = ""
    requests: Count = 0.0
    errors: Count = 0.0
    errors_by_flag: dict[str, Count] = {}
    seen_by_callee: Count | None = None
    callee_errors: Count | None = None
    external: bool = False
    phase: Phase = Phase.INCIDENT


class SpanLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the traces file: one span; ``start`` in Unix seconds."""

    trace: Name
    span: Name
    service: Name
    start: float
    seconds: Count
    parent: str = ""
    side: SpanSide = SpanSide.INTERNAL
    namespace: str = ""
    pod: str = ""
    operation: str = ""
    peer: str = ""
    error: bool = False
    code: str = ""
    flags: str = ""
    revision: str = ""
    node: str = ""
    zone: str = ""
    phase: Phase | None = None
