"""What a live check is, and the server's answers, each asked once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from observer.config.lint.check import Severity
from observer.config.lint.expressions import Matcher, Selected
from observer.config.lint.subject import Hit, IndicatorQuery
from observer.config.openslo.templates import VARIABLE
from observer.ports.sources import QueryCost, SeriesCatalogue


@dataclass(slots=True)
class Answers:
    """A catalogue whose answers are kept: several checks and several SLIs ask the same."""

    catalogue: SeriesCatalogue
    _counts: dict[str, int] = field(default_factory=dict)
    _values: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    async def count(self, selector: str) -> int:
        """How many series it selects now."""
        if selector not in self._counts:
            self._counts[selector] = await self.catalogue.count(selector)
        return self._counts[selector]

    async def values(self, selector: str, label: str) -> tuple[str, ...]:
        """The values of ``label`` among them."""
        if (selector, label) not in self._values:
            self._values[selector, label] = await self.catalogue.values(selector, label)
        return self._values[selector, label]

    async def cost(self, expr: str) -> QueryCost:
        """What an evaluation takes."""
        return await self.catalogue.cost(expr)

    async def exists(self, selected: Selected) -> bool:
        """Whether the metric has any series; true where the selector names none."""
        return not selected.metric or await self.count(Selected(selected.metric, (), (), ranged=False).text) > 0

    async def lacks_bucket(self, selected: Selected) -> bool:
        """Whether it asks for a bucket that no series of the histogram is."""
        if not selected.metric.endswith("_bucket") or not selected.on("le") or not await self.exists(selected):
            return False
        return not any(selected.takes("le", value) for value in await self.buckets(selected))

    async def buckets(self, selected: Selected) -> tuple[str, ...]:
        """The values of ``le`` that the histogram has."""
        return await self.values(Selected(selected.metric, (), (), ranged=False).text, "le")

    async def missing_labels(self, selected: Selected) -> list[str]:
        """Labels that a matcher wants a value of and no series of the metric has."""
        found = []
        for matcher in selected.matchers:
            if matcher.takes("") is False and selected.metric:
                present = Selected(selected.metric, (Matcher(matcher.label, "!=", ""),), (), ranged=False)
                if await self.count(present.text) == 0:
                    found.append(matcher.label)
        return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class LiveCheck:
    """As ``Check``, but ``run`` asks; it looks at one selector of one query."""

    id: str
    severity: Severity
    title: str
    run: Callable[[IndicatorQuery, Selected, Answers], AsyncIterator[Hit]]

    @property
    def page(self) -> str:
        """Where the check is explained, from the root of the repository."""
        return f"docs/checks/{self.id}.md"


def any_service(selected: Selected) -> Selected:
    """A template's selector for every service at once: matchers with ``$namespace`` or ``$service`` are left out."""
    matchers = tuple(matcher for matcher in selected.matchers if not VARIABLE.search(matcher.value))
    return Selected(selected.metric, matchers, selected.around, selected.ranged)
