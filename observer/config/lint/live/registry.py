"""The live checks, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from observer.config.lint.check import Check, Finding, in_order
from observer.config.lint.live import (
    bucket_missing,
    label_missing,
    metric_missing,
    query_cost,
    selects,
    selects_nothing,
)
from observer.config.lint.live.queries import Answers, LiveCheck, any_service
from observer.config.lint.registry import OFFLINE, ignores
from observer.config.lint.subject import Subject
from observer.ports.sources import SeriesCatalogue

LIVE: Final[tuple[LiveCheck, ...]] = (
    metric_missing.CHECK,
    label_missing.CHECK,
    bucket_missing.CHECK,
    selects_nothing.CHECK,
    selects.CHECK,
    query_cost.CHECK,
)


async def lint_live(subject: Subject, catalogue: SeriesCatalogue) -> list[Finding]:
    """
    What the server's series say about the queries that the daemon's own Prometheus answers.

    Queries of other DataSources are passed over: they are asked elsewhere. Raises: SourceUnavailable,
    SourceProtocolError.
    """
    answers, found = Answers(catalogue), []
    for question, selected in subject.selected():
        if question.source:
            continue
        for check in LIVE:
            hits = [hit async for hit in check.run(question, any_service(selected), answers)]
            found += [Finding(check.id, check.severity, hit.fault) for hit in hits if not ignores(hit, check.id)]
    return in_order(iter(found))


_ALL: Final[tuple[Check | LiveCheck, ...]] = (*OFFLINE, *LIVE)
CHECKS: Final[Mapping[str, Check | LiveCheck]] = {check.id: check for check in _ALL}
"""In the order in which they are listed."""
