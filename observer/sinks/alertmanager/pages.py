"""A page as Alertmanager's alert: its labels, its life, its wire form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from observer.domain import names
from observer.domain.decision import Decision
from observer.domain.decision_record import namespace_of
from observer.kube.times import micro_time

ALONE_SECONDS: Final = 3600.0
"""A page that belongs to no open incident stands for so long after it was told last."""
ALONE: Final = "about "
"""Begins the key of a page without an incident."""
_LASTS = 4.0
"""An alert ends by itself after so many refreshes that did not come: the daemon is gone."""


@dataclass(frozen=True, slots=True)
class AlertPage:
    """
    One page.

    Attributes:
        began: Unix seconds. until: when it ends without an incident; 0 = with its incident.
        resolved: when it ended, Unix seconds; 0 = it stands.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    began: float
    until: float = 0.0
    resolved: float = 0.0

    @property
    def incident(self) -> str:
        return self.labels.get(names.ALERT_INCIDENT, "")


def page_key(decision: Decision) -> str:
    """One alert an incident, or a subject where there is none."""
    return decision.incident or f"{ALONE}{decision.subject}"


def paged(
    decision: Decision, before: AlertPage | None, links: Mapping[str, str], extra: Mapping[str, str]
) -> AlertPage:
    """The page of a decision; ``before`` is what stands already: its labels and its beginning stay."""
    alone = not decision.incident or decision.kind == "closed"
    until = decision.at + ALONE_SECONDS if alone else 0.0
    words = {"summary": decision.text or decision.reason, "reason": decision.reason, "subject": decision.subject}
    annotations = words | {name if name != "runbook" else "runbook_url": link for name, link in links.items()}
    if before is not None and not before.resolved:
        return replace(before, annotations=annotations, until=until)
    return AlertPage(_labels(decision, extra), annotations, decision.at, until)


def spelled(page: AlertPage, now: float, refresh: float) -> dict[str, object]:
    """What ``POST /api/v2/alerts`` takes; a standing alert ends after four missed refreshes."""
    ends = page.resolved or now + _LASTS * refresh
    source = {"generatorURL": page.annotations["page"]} if "page" in page.annotations else {}
    return {
        **source,
        "labels": dict(page.labels),
        "annotations": dict(page.annotations),
        "startsAt": micro_time(min(page.began, ends)),
        "endsAt": micro_time(ends),
    }


def _labels(decision: Decision, extra: Mapping[str, str]) -> dict[str, str]:
    """They are the alert's identity: nothing that may differ between two pages of one incident."""
    workload, service = decision.workload, decision.service
    labels = {
        "severity": "critical",
        **extra,
        "alertname": names.PAGE_ALERT,
        "namespace": namespace_of(decision),
        "workload": workload.name if workload is not None else "",
        "service": service.name if service is not None else "",
        names.ALERT_INCIDENT: page_key(decision),
    }
    return {name: value for name, value in labels.items() if value}
