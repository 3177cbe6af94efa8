"""A ``SeriesCatalogue`` over label sets in memory, read by the same parser as the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from observer.config.lint.expressions import read
from observer.ports.sources import QueryCost

Labels = Mapping[str, str]


class MemoryCatalogue:
    """Implements ``ports.sources.SeriesCatalogue``; ``asked`` counts the questions."""

    def __init__(self, series: Sequence[Labels], cost: QueryCost | None = None) -> None:
        self._series, self._cost = series, cost or QueryCost()
        self.asked: list[str] = []
        self.closed = False

    async def count(self, selector: str) -> int:
        self.asked.append(selector)
        return len(list(self._matching(selector)))

    async def values(self, selector: str, label: str) -> tuple[str, ...]:
        self.asked.append(f"{label} of {selector}")
        return tuple(sorted({one.get(label, "") for one in self._matching(selector)}))

    async def cost(self, expr: str) -> QueryCost:
        self.asked.append(expr)
        return self._cost

    async def close(self) -> None:
        self.closed = True

    def _matching(self, selector: str) -> Iterator[Labels]:
        (selected,) = read(selector).selected
        for one in self._series:
            named = not selected.metric or one["__name__"] == selected.metric
            if named and all(matcher.takes(one.get(matcher.label, "")) for matcher in selected.matchers):
                yield one


def mesh(pods: int = 3) -> list[Labels]:
    """A service cart with a few pods, and so many series of another that asking for all of them is dear."""
    found: list[Labels] = []
    for index in range(pods):
        own = {"pod": f"cart-{index}", "destination_service_name": "cart"}
        found += [
            {"__name__": "istio_requests_total", "reporter": "source", "response_code": code, **own}
            for code in ("200", "503")
        ]
        latency = {"reporter": "destination", **own}
        found.append({"__name__": "istio_request_duration_milliseconds_count", **latency})
        found += [
            {"__name__": "istio_request_duration_milliseconds_bucket", "le": le, **latency}
            for le in ("5", "25", "250", "1000", "+Inf")
        ]
    found += [
        {
            "__name__": "istio_requests_total",
            "reporter": "source",
            "response_code": "200",
            "pod": f"web-{index}",
            "destination_service_name": "web",
        }
        for index in range(5000)
    ]
    return found
