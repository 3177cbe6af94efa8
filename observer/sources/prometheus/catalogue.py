"""Which series a server has, for checks of queries before they are used."""

from __future__ import annotations

import msgspec

from observer.config.settings.sources import PrometheusSettings
from observer.domain.errors import SourceProtocolError
from observer.ports.sources import QueryCost
from observer.sources.prometheus.parse import labels, vector
from observer.sources.prometheus.transport import Transport


class _Timings(msgspec.Struct, rename="camel"):
    eval_total_time: float | None = None


class _Samples(msgspec.Struct, rename="camel"):
    total_queryable_samples: int | None = None


class _Stats(msgspec.Struct):
    timings: _Timings = msgspec.field(default_factory=_Timings)
    samples: _Samples = msgspec.field(default_factory=_Samples)


class _Data(msgspec.Struct):
    stats: _Stats = msgspec.field(default_factory=_Stats)


class _Answer(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class PrometheusCatalogue:
    """
    Implements ``ports.sources.SeriesCatalogue`` with instant queries as of ``at``, Unix seconds.

    Only ``count`` and ``count by`` are used, which every dialect knows; ``stats`` is asked for and not relied upon.
    """

    def __init__(self, settings: PrometheusSettings, at: float) -> None:
        self._transport, self._at = Transport(settings), at

    async def count(self, selector: str) -> int:
        samples = vector(await self._transport.instant(f"count({selector})", self._at))
        return int(samples[0].value.value) if samples else 0

    async def values(self, selector: str, label: str) -> tuple[str, ...]:
        samples = vector(await self._transport.instant(f"count by ({label}) ({selector})", self._at))
        return tuple(sorted(labels(sample.metric).get(label, "") for sample in samples))

    async def cost(self, expr: str) -> QueryCost:
        form = {"query": expr, "time": f"{self._at:.3f}", "stats": "all"}
        body = await self._transport.post("query", form)
        try:
            stats = msgspec.json.decode(body, type=_Answer).data.stats
        except msgspec.DecodeError as exc:
            raise SourceProtocolError(f"malformed answer: {exc}") from exc
        return QueryCost(stats.samples.total_queryable_samples, stats.timings.eval_total_time)

    async def close(self) -> None:
        await self._transport.close()
