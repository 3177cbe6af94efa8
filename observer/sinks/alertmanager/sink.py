"""
Keeps Alertmanager true to what Observer wants it to know: pages that stand, silences while a pod is replaced.

``publish`` only notes what is wanted; ``run`` brings it about and tries again until it is so.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from observer import actions
from observer.domain import names
from observer.domain.action import Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.decision_record import namespace_of
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import PodRef
from observer.domain.outcome import Result
from observer.engine.remediation.silences import Matcher
from observer.http_client.delivery import DeliveryHealth
from observer.kube.times import micro_time, unix
from observer.ports.sources import Clock
from observer.sinks.alertmanager.api import Alertmanagers, WireAlert, silence_pod

log = structlog.get_logger(__name__)

MOST = 500
"""Pages and silences kept at once."""
_COMMENT: Final = "Observer replaces this pod; incident {} in cluster {}"
_VERDICTS: Final = frozenset({"verified", "closed"})
_CLOSING_SECONDS = 5.0
_RETRY_SECONDS = 5.0
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


@dataclass(frozen=True, slots=True)
class Policy:
    """What Alertmanager is told; times in seconds, ``labels`` are added to every page."""

    pages: bool = True
    silences: bool = False
    silence_seconds: float = 300.0
    refresh: float = 60.0
    cluster: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Silence:
    pod: PodRef
    until: float
    id: str = ""
    over: bool = False


class AlertmanagerSink:
    """
    Implements ``ports.actuators.Sink``; ``run`` has to run beside the loop.

    Args:
        links: addresses of a decision by name. leading: only then anything is sent.
        standing: ids of the incidents that are open, None while that is not known; pages of others end.
    """

    name = "alertmanager"

    def __init__(
        self,
        api: Alertmanagers,
        policy: Policy,
        clock: Clock,
        *,
        links: Callable[[Decision], Mapping[str, str]],
        leading: Callable[[], bool],
        standing: Callable[[], frozenset[str] | None],
    ) -> None:
        self._api, self._policy, self._clock = api, policy, clock
        self._links, self._leading, self._standing = links, leading, standing
        self._pages: dict[str, AlertPage] = {}
        self._silences: dict[str, _Silence] = {}
        self._changed = asyncio.Event()
        self._health = DeliveryHealth(self.name, lambda _: None)  # what fails is tried again, so nothing is lost
        self._led = False

    async def publish(self, decision: Decision) -> None:
        """Raises ``SourceUnavailable`` when too much is waiting: this decision is lost."""
        if self._policy.pages:
            self._page(decision)
        if self._policy.silences:
            self._silence(decision)

    async def run(self) -> None:
        """Bring about what is wanted, until cancelled."""
        while True:
            self._changed.clear()
            await self.flush()
            try:
                async with asyncio.timeout(
                    min(self._policy.refresh, _RETRY_SECONDS if self._health.failing else math.inf)
                ):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def flush(self) -> None:
        """One round: what the API refuses or cannot take now is tried again in the next."""
        if not self._leading():
            self._silences.clear()  # the next leader looks after them: not to be made or ended from here
        if not self._leading() or self._standing() is None:
            self._led = False
            return
        failed: Exception | None = None
        # Each by itself: a page goes out even where what is there may not be read.
        for step in (self._adopt, self._close_silences, self._close_pages):
            try:
                await step()
            except (SourceUnavailable, SourceProtocolError) as exc:
                failed = failed or exc
        if failed is not None:
            self._health.failed(str(failed))
        else:
            self._health.succeeded()

    async def close(self) -> None:
        """
        End the silences and close the connections. Pages stay until their end: the next Observer takes them over.
        """
        for silence in self._silences.values():
            silence.over = True
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._close_silences()
        except (TimeoutError, SourceUnavailable, SourceProtocolError) as exc:
            log.warning("silences_not_ended", error=f"{type(exc).__name__}", left=len(self._silences))
        await self._api.close()

    def _page(self, decision: Decision) -> None:
        key = page_key(decision)
        before = self._pages.get(key)
        if decision.severity == "page":
            if before is None and len(self._pages) >= MOST:
                raise SourceUnavailable(f"{MOST} pages stand", reason="busy")
            extra = dict(self._policy.labels) | ({names.CLUSTER: self._policy.cluster} if self._policy.cluster else {})
            self._pages[key] = paged(decision, before, self._links(decision), extra)
            self._changed.set()
        elif decision.kind == "closed" and before is not None and not before.until:
            self._pages[key] = replace(before, resolved=before.resolved or decision.at)
            self._changed.set()

    def _silence(self, decision: Decision) -> None:
        silence = self._silences.get(decision.incident)
        if silence is not None and decision.kind in _VERDICTS:
            silence.over = True
            self._changed.set()
        elif silence is None and decision.pod is not None and _replaces(decision) and len(self._silences) < MOST:
            until = decision.at + self._policy.silence_seconds
            self._silences[decision.incident] = _Silence(decision.pod, until)
            self._changed.set()

    async def _close_pages(self) -> None:
        now, standing = self._clock.now(), self._standing()
        if not self._pages or standing is None:
            return
        for key, page in self._pages.items():
            over = page.until <= now if page.until else key not in standing
            if over and not page.resolved:
                self._pages[key] = replace(page, resolved=now)
        sent = dict(self._pages)
        await self._api.post([spelled(page, now, self._policy.refresh) for page in sent.values()])
        for key, page in sent.items():
            if page.resolved and self._pages.get(key) is page:
                del self._pages[key]

    async def _close_silences(self) -> None:
        for incident, silence in list(self._silences.items()):
            now = self._clock.now()
            if silence.over or now >= silence.until:
                if silence.id and now < silence.until:
                    await self._api.end(silence.id)
                self._silences.pop(incident, None)
            elif not silence.id:
                made = await silence_pod(
                    self._api, silence.pod, at=now, seconds=silence.until - now, by=names.SILENCED_BY,
                    comment=_COMMENT.format(incident, self._policy.cluster or "-"), cluster=self._policy.cluster,
                )  # fmt: skip
                silence.id = made.id
                log.info("alerts_silenced", incident=incident, pod=str(silence.pod), alerts=made.names, left=made.left)

    async def _adopt(self) -> None:
        """What another Observer, or this one before a restart, told: its pages go on, its silences are looked after."""
        if self._led:
            return
        if self._policy.pages:
            ours = Matcher("alertname", names.PAGE_ALERT), Matcher(names.CLUSTER, self._policy.cluster)
            for alert in await self._api.alerts(*ours):
                key = alert.labels.get(names.ALERT_INCIDENT, "")
                if key and key not in self._pages and len(self._pages) < MOST:
                    self._pages[key] = _adopted(alert, key, self._clock.now())
        if self._policy.silences:
            await self._adopt_silences()
        self._led = True

    async def _adopt_silences(self) -> None:
        """Those of incidents that are over end; those of open ones end with the verdict, or by themselves."""
        before, after = _COMMENT.format("\n", self._policy.cluster or "-").split("\n")
        adopted = {silence.id for silence in self._silences.values()}
        listed, standing = await self._api.silences(names.SILENCED_BY), self._standing()
        for silence in listed if standing is not None else ():
            ours = silence.comment.startswith(before) and silence.comment.endswith(after)
            if not ours or silence.id in adopted:
                continue
            incident = silence.comment.removeprefix(before).removesuffix(after)
            if standing is not None and incident in standing:
                # Whose alerts they are needs not be known any more.
                until = self._clock.now() + self._policy.silence_seconds
                self._silences.setdefault(incident, _Silence(PodRef("", "", ""), until, silence.id))
            else:
                await self._api.end(silence.id)


def _replaces(decision: Decision) -> bool:
    """Whether this says that a pod was evicted, for good."""
    applied = decision.outcome is not None and decision.outcome.result is Result.APPLIED
    real = decision.action is not None and not decision.action.dry_run and decision.mode is Mode.ENFORCE
    replaces = actions.has_effect(decision.action_kind, actions.Effect.REPLACEMENT)
    return replaces and decision.verdict is Verdict.ACT and applied and real


def _adopted(alert: WireAlert, key: str, now: float) -> AlertPage:
    """Labels, words and beginning as they stand there; without an incident it gets its hour again."""
    try:
        began = unix(alert.starts_at)
    except ValueError:
        began = now
    return AlertPage(alert.labels, alert.annotations, began, now + ALONE_SECONDS if key.startswith(ALONE) else 0.0)
