"""
The time-series memory behind the simulated Prometheus: one block of columns for each scrape target.

All series of a target are scraped together, so they share their times. A missing value in a column is a staleness
marker: the series was known and that scrape did not hold it. No column at all means that no scrape took place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray

Labels = Mapping[str, str]

LOOKBACK_MS = 300_000
NAME = "__name__"


class Match(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    UNEQUAL = "!="
    LIKE = "=~"
    UNLIKE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher; regular expressions are anchored at both ends, a missing label reads as empty."""

    name: str
    op: Match
    value: str

    def accepts(self, labels: Labels) -> bool:
        """The series with these labels passes."""
        value = labels.get(self.name, "")
        if self.op is Match.EQUAL:
            return value == self.value
        if self.op is Match.UNEQUAL:
            return value != self.value
        matches = re.fullmatch(self.value, value, re.DOTALL) is not None
        return matches if self.op is Match.LIKE else not matches


Matchers = tuple[Matcher, ...]


class Table:
    """One metric of one target: rows are series, columns the target's scrapes."""

    def __init__(self, columns: int) -> None:
        self.labels: list[dict[str, str]] = []
        self.values: FloatArray = np.full((0, columns), np.nan)
        self._found: dict[Matchers, tuple[int, list[int]]] = {}

    def add(self, labels: Sequence[dict[str, str]]) -> None:
        """Append series; they are absent from every column so far."""
        self.labels.extend(labels)
        missing = len(self.labels) - self.values.shape[0]
        if missing > 0:
            more = np.full((max(missing, self.values.shape[0] // 2), self.values.shape[1]), np.nan)
            self.values = np.concatenate([self.values, more])

    def rows(self, matchers: Matchers) -> list[int]:
        """Rows that pass all matchers, ascending; each series is looked at once per set of matchers."""
        looked_at, rows = self._found.get(matchers, (0, []))
        if looked_at < len(self.labels):
            fresh = range(looked_at, len(self.labels))
            rows = rows + [row for row in fresh if all(m.accepts(self.labels[row]) for m in matchers)]
            self._found[matchers] = (len(self.labels), rows)
        return rows


class Block:
    """What was scraped from one target, from its first scrape until it went stale."""

    def __init__(self, target: dict[str, str], retention_ms: int) -> None:
        self.target = target
        self.tables: dict[str, Table] = {}
        self.ended = False
        self._times: IntArray = np.zeros(16, dtype=np.int64)
        self._used = 0
        self._last = -1
        self._retention = retention_ms

    @property
    def times(self) -> IntArray:
        """Scrape times, milliseconds, ascending."""
        return self._times[: self._used]

    def table(self, metric: str) -> Table:
        """The metric's table, made at first use."""
        table = self.tables.get(metric)
        if table is None:
            table = self.tables[metric] = Table(self._times.size)
        return table

    def append(self, at_ms: int, columns: Mapping[str, FloatArray]) -> None:
        """
        Add one scrape. ``columns`` maps a metric to the values of its first rows; whatever is not given is stale.

        A scrape that is not later than the newest is dropped, as an out-of-order sample is.
        """
        if at_ms <= self._last:
            return
        if self._used == self._times.size:
            self._make_room(at_ms)
        self._times[self._used] = self._last = at_ms
        for metric, values in columns.items():
            self.tables[metric].values[: values.size, self._used] = values
        self._used += 1

    def _make_room(self, at_ms: int) -> None:
        cut = int(np.searchsorted(self.times, at_ms - self._retention))
        size = self._times.size
        retained = self._used - cut
        width = size if cut >= size // 4 else size * 2
        times = np.zeros(width, dtype=np.int64)
        times[:retained] = self._times[cut : self._used]
        for table in self.tables.values():
            values = np.full((table.values.shape[0], width), np.nan)
            values[:, :retained] = table.values[:, cut : self._used]
            table.values = values
        self._times, self._used = times, retained

    def column_at(self, at_ms: int) -> tuple[int, int]:
        """The column in force at one instant and its time (milliseconds); time -1 before the first scrape."""
        column = self._used - 1
        if self._last > at_ms:
            column = int(np.searchsorted(self.times, at_ms, side="right")) - 1
            return column, int(self._times[column]) if column >= 0 else -1
        return column, self._last

    def newest(self, at_ms: IntArray) -> tuple[IntArray, BoolArray]:
        """For each instant the column in force and whether it lies within the look-back (left-open)."""
        columns = np.searchsorted(self.times, at_ms, side="right") - 1
        if not self._used:
            return np.zeros_like(columns), np.zeros(columns.shape, dtype=np.bool_)
        safe = np.maximum(columns, 0)
        return safe, (columns >= 0) & (self.times[safe] > at_ms - LOOKBACK_MS)


class SeriesSet:
    """The labels of a result, in order, with groupings worked out once."""

    __slots__ = ("_groups", "_identities", "_plain", "labels", "texts")

    def __init__(self, labels: list[dict[str, str]]) -> None:
        self.labels = labels
        self.texts: list[str] | None = None
        """The labels as JSON, kept by whoever writes answers."""
        self._groups: dict[tuple[bool, tuple[str, ...]], tuple[IntArray, SeriesSet]] = {}
        self._plain: SeriesSet | None = None
        self._identities: list[frozenset[tuple[str, str]]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def without_name(self) -> SeriesSet:
        """The same series less their metric name."""
        if self._plain is None:
            self._plain = SeriesSet([{k: v for k, v in labels.items() if k != NAME} for labels in self.labels])
        return self._plain

    def identities(self) -> list[frozenset[tuple[str, str]]]:
        """What a series is matched by with another: all its labels but the name."""
        if self._identities is None:
            self._identities = [frozenset(kv for kv in labels.items() if kv[0] != NAME) for labels in self.labels]
        return self._identities

    def grouped(self, by: bool, names: tuple[str, ...]) -> tuple[IntArray, SeriesSet]:
        """Group number of each series and the groups' labels."""
        group = self._groups.get((by, names))
        if group is None:
            group = self._groups[(by, names)] = self._group(by, names)
        return group

    def _group(self, by: bool, names: tuple[str, ...]) -> tuple[IntArray, SeriesSet]:
        group_of: dict[tuple[tuple[str, str], ...], int] = {}
        numbers = np.zeros(len(self.labels), dtype=np.int64)
        dropped = {*names, NAME}
        for row, labels in enumerate(self.labels):
            if by:
                key = tuple((name, labels[name]) for name in names if name in labels)
            else:
                key = tuple(sorted((k, v) for k, v in labels.items() if k not in dropped))
            numbers[row] = group_of.setdefault(key, len(group_of))
        return numbers, SeriesSet([dict(key) for key in group_of])


@dataclass(slots=True, eq=False)
class Selection:
    """Series that a selector names, with where their samples lie."""

    series: SeriesSet
    parts: list[tuple[Block, Table, IntArray]]
    stamp: int = 0
    spans: list[slice] = field(default_factory=list)

    def instant(self, at_ms: IntArray) -> tuple[FloatArray, BoolArray, FloatArray]:
        """Values, presence and sample times (seconds) as of each instant; shapes (series, instants)."""
        if at_ms.size == 1:
            return self._single(int(at_ms[0]))
        shape = (len(self.series), at_ms.size)
        values, present, times = np.zeros(shape), np.zeros(shape, dtype=np.bool_), np.zeros(shape)
        for (block, table, rows), span in zip(self.parts, self.spans, strict=True):
            columns, valid = block.newest(at_ms)
            if not valid.any():
                continue
            counts = table.values[rows[:, None], columns]
            values[span] = counts
            present[span] = valid & ~np.isnan(counts)
            times[span] = block.times[columns] / 1000.0
        return values, present, times

    def _single(self, at_ms: int) -> tuple[FloatArray, BoolArray, FloatArray]:
        """The same for one instant, as every tick asks: thousands of targets, one column each."""
        values, times = np.full(len(self.series), np.nan), np.zeros(len(self.series))
        for (block, table, rows), span in zip(self.parts, self.spans, strict=True):
            column, sampled = block.column_at(at_ms)
            if sampled >= 0 and sampled > at_ms - LOOKBACK_MS:
                values[span] = table.values[rows, column]
                times[span] = sampled / 1000.0
        present = ~np.isnan(values)
        values[~present] = 0.0
        return values[:, None], present[:, None], times[:, None]


class TimeSeriesMemory:
    """Blocks of all targets, with cached selections."""

    def __init__(self, retention: float = 3600.0) -> None:
        self._retention_ms = int(retention * 1000)
        self._blocks: list[Block] = []
        self._selections: dict[tuple[str | None, Matchers], Selection] = {}
        self._stamp = 1

    def open(self, target: dict[str, str]) -> Block:
        """Begin a target."""
        block = Block(target, self._retention_ms)
        self._blocks.append(block)
        self.touched()
        return block

    def touched(self) -> None:
        """Series came or went: selections must be worked out again."""
        self._stamp += 1

    def forget(self, now_ms: int) -> None:
        """Drop blocks that ended before the retention."""
        retained = [
            b for b in self._blocks if not b.ended or (b.times.size and b.times[-1] > now_ms - self._retention_ms)
        ]
        if len(retained) != len(self._blocks):
            self._blocks = retained
            self._selections.clear()
            self.touched()

    def keeps(self, block: Block) -> bool:
        """The block was not forgotten."""
        return any(open_block is block for open_block in self._blocks)

    def blocks(self) -> Iterator[Block]:
        """All blocks that are kept."""
        return iter(self._blocks)

    def select(self, name: str | None, matchers: Matchers) -> Selection:
        """The series that have this metric name (None = any) and pass all matchers."""
        cached = self._selections.get((name, matchers))
        if cached is not None and cached.stamp == self._stamp:
            return cached
        labels: list[dict[str, str]] = []
        selection = Selection(SeriesSet(labels), [], self._stamp)
        for block in self._blocks:
            names = block.tables if name is None else (name,) if name in block.tables else ()
            for metric in names:
                table = block.tables[metric]
                rows = table.rows(matchers)
                if rows:
                    selection.spans.append(slice(len(labels), len(labels) + len(rows)))
                    selection.parts.append((block, table, np.array(rows, dtype=np.int64)))
                    labels.extend(table.labels[row] for row in rows)
        if len(self._selections) > 200:
            self._selections.clear()
        self._selections[(name, matchers)] = selection
        return selection
