"""What ``observer doctor`` asks the metric server, and what to do about each red line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from observer.config.settings.model import Settings
from observer.config.settings.sources import PrometheusSettings
from observer.domain.counts import CounterFrame
from observer.domain.finding import Finding
from observer.http_client.examine import MATCHED, coverage, examined
from observer.sources.prometheus.frames import FrameBuilder
from observer.sources.prometheus.parse import labels, matrix, vector
from observer.sources.prometheus.profiles import MetricProfile, profile_for
from observer.sources.prometheus.queries import Queries, any_of, quoted
from observer.sources.prometheus.transport import Transport

Pods = frozenset[tuple[str, str]]

_SAMPLED = 5
"""So many targets are looked at for the scrape interval and for replicas."""
_REPLICA_ASKS = 6
"""Each over a connection of its own: a balancer before two replicas hides one with odds of 1 in 32."""
_SETTLED = 15.0
"""Seconds after which every replica has the scrapes of an instant."""
_FRESH_SCRAPES = 3.0
_MAPPED = ("pod_template_hash", "istio_io", "app_kubernetes_io", "service_istio_io", "security_istio_io")

_REMEDIES: Mapping[str, str] = {
    "denied": "check prometheus.auth and prometheus.tenant: the files must hold what the server expects",
    "timeout": "raise prometheus.timeout, or give the server more CPU: it must answer six questions in every tick",
    "partial": "a part of the server's stores did not answer: see its own store page; Observer does not act on parts",
    "too_large": "narrow prometheus.selector to this cluster, or raise prometheus.max_bytes",
    "protocol": "check prometheus.url (with its path prefix), prometheus.flavor and prometheus.selector",
}


@dataclass(frozen=True, slots=True)
class TargetLabels:
    """What one look at the server gave: the frame and each target's own labels."""

    frame: CounterFrame
    targets: tuple[Mapping[str, str], ...]


async def probe(settings: Settings, *, pods: Pods, at: float) -> list[Finding]:
    """
    Ask the metric server what the tick will ask, and judge the answers.

    ``pods`` are the living pods with a sidecar, as ``(namespace, pod)``; ``at`` is now, Unix seconds. Never raises
    for what a server may answer; ``ConfigError`` for settings that can never work.
    """
    source = settings.prometheus
    profile = profile_for(source.profile, source.labels)
    queries = Queries(profile, selector=source.selector, up_selector=source.up_selector)
    transport = Transport(source)

    async def look() -> list[Finding]:
        picture = await _look(transport, queries, profile, source, at)
        findings = [Finding("prometheus reachable", True, "it answers completely and takes our credentials")]
        findings += _targets(picture, pods, at)
        findings += _requests(picture.frame, profile, pods)
        findings += await _labels(transport, queries, profile, at)
        findings += await _cuts(transport, queries, profile, picture.frame)
        if (picture.frame.scraped > 0).any():
            findings.append(await _interval(transport, queries, profile, picture.frame, settings.engine.tick))
            findings.append(await _replicas(source, queries, profile, picture.frame))
        return findings

    try:
        findings = await examined("prometheus", look, _REMEDIES)
    finally:
        await transport.close()
    if profile.limits:
        findings.append(Finding("prometheus profile", None, f"{source.profile.value}: {profile.limits}"))
    return findings


async def _look(
    transport: Transport, queries: Queries, profile: MetricProfile, source: PrometheusSettings, at: float
) -> TargetLabels:
    scrapes = vector(await transport.instant(queries.scrapes(), at))
    requests, buckets = (
        (
            vector(await transport.instant(queries.requests(), at)),
            vector(await transport.instant(queries.buckets(source.cuts_ms), at)),
        )
        if profile.judges_pods
        else ([], [])
    )
    frame = FrameBuilder(profile, source.cuts_ms).frame(at, requests, buckets, scrapes)
    return TargetLabels(frame, tuple(labels(sample.metric) for sample in scrapes))


def _targets(picture: TargetLabels, pods: Pods, at: float) -> Iterator[Finding]:
    frame = picture.frame
    up = frame.scraped > 0
    if not up.any():
        yield Finding(
            "prometheus targets",
            False,
            f"{len(picture.targets)} targets, none of them up with a pod label",
            "scrape the sidecars (port 15020, /stats/prometheus) and set namespace and pod on the target; "
            "other names go into prometheus.labels",
        )
        return
    yield Finding("prometheus targets", True, f"{int(up.sum())} pods with a target that is up")
    age = at - float(np.nanmax(frame.scraped))
    yield Finding(
        "prometheus fresh",
        -5.0 <= age <= 90.0,
        f"newest scrape {age:.1f} s ago",
        "the clocks of this machine and of the server differ" if age < 0 else "the server has stopped scraping",
    )
    yield _matched(frame, pods)
    yield _several(frame)
    yield _mapping(picture)


def _matched(frame: CounterFrame, pods: Pods) -> Finding:
    if not pods:
        return Finding("pods matched", None, "no living pod with a sidecar is known to compare with")
    scraped_pods = {pod for pod, scraped in zip(frame.pods, frame.scraped.tolist(), strict=True) if scraped > 0}
    missing, strange = sorted(pods - scraped_pods), sorted(scraped_pods - pods)
    share, detail = coverage(len(pods), ["/".join(pod) for pod in missing], "living pods are scraped")
    remedy = "see the server's target page; sidecars behind strict mTLS must be scraped on port 15020"
    if len(strange) > len(scraped_pods) / 2:
        detail += f"; {len(strange)} scraped pods are not in this cluster"
        remedy = "several clusters in one server: name this one in prometheus.selector and prometheus.up_selector"
    return Finding("pods matched", share >= MATCHED and len(strange) <= len(scraped_pods) / 2, detail, remedy)


def _several(frame: CounterFrame) -> Finding:
    twice = int((frame.targets > 1).sum())
    few = twice <= len(frame.pods) / 10
    return Finding(
        "one target a pod",
        few or None,
        f"{twice} of {len(frame.pods)} pods have several targets",
        ""
        if few
        else 'select the sidecars\' targets in prometheus.up_selector (for example job="envoy-stats"): '
        "else a dead sidecar hides behind the pod's other targets",
    )


def _mapping(picture: TargetLabels) -> Finding:
    names = {name for target in picture.targets for name in target}
    mapped = sorted(name for name in names if name.startswith(_MAPPED))
    if not mapped:
        return Finding("pod labels on targets", True, "the scrape configuration does not map pod labels")
    return Finding(
        "pod labels on targets",
        None,
        f"pod labels are mapped to series ({', '.join(mapped[:3])}): a drained pod starts new series",
        "Observer takes two scrapes after its own label write as a new beginning; to lose none, drop "
        "istio_io_draining with a labeldrop rule",
    )


def _requests(frame: CounterFrame, profile: MetricProfile, pods: Pods) -> Iterator[Finding]:
    if not profile.judges_pods:
        return
    counted = int(np.isfinite(frame.requests).any(axis=1).sum())
    yield Finding(
        "request counters",
        counted > 0,
        f"{profile.requests} of {counted} pods{f' ({len(pods)} live)' if pods else ''}",
        "check prometheus.profile and prometheus.selector, and that the mesh's standard metrics are on",
    )


async def _labels(transport: Transport, queries: Queries, profile: MetricProfile, at: float) -> list[Finding]:
    roles = tuple(role for role in ("response_code", "response_flags") if profile.label(role))
    own = [
        labels(sample.metric)
        for sample in vector(await transport.instant(queries.sample_of(profile.requests, roles), at))
    ]
    lost = [name for role in roles if own and not any(series.get(name := profile.labels[role]) for series in own)]
    findings = [
        Finding(
            "request labels",
            not lost if own else None,
            f"absent: {', '.join(lost)}" if lost else "response codes and flags are there",
            "the mesh's telemetry settings drop them: without a code no request can be called good or bad; "
            "name what replaces them in prometheus.labels",
        )
    ]
    towards = tuple(role for role in ("service", "host") if profile.label(role))
    query = queries.sample_of(profile.requests, towards, own=False)
    edges = [labels(sample.metric) for sample in vector(await transport.instant(query, at))]
    named = sum(1 for edge in edges if any(edge.get(profile.labels[role]) for role in towards))
    findings.append(
        Finding(
            "callers' counters",
            named > 0,
            f"{named} services seen by their callers",
            "switch the client side's (reporter=source) metrics on: without them a drain cannot be judged",
        )
    )
    return findings


async def _cuts(transport: Transport, queries: Queries, profile: MetricProfile, frame: CounterFrame) -> list[Finding]:
    if not profile.judges_pods:
        return []
    counted = np.isfinite(frame.buckets)
    if not counted.any():
        detail, remedy = f"no {profile.buckets}", "latency is not judged; see prometheus.profile"
        return [Finding("latency buckets", None, detail, remedy)]
    absent = [f"{cut:g}" for i, cut in enumerate(frame.cuts) if not counted[:, i].any()]
    if not absent:
        return [Finding("latency buckets", True, f"all {len(frame.cuts)} cut points are there")]
    bounds = vector(await transport.instant(queries.sample_of(profile.buckets, ("le",)), frame.at))
    cuts = sorted(float(labels(bound.metric).get(profile.labels["le"], "nan")) / profile.unit for bound in bounds)
    offered = ", ".join(f"{bound:g}" for bound in cuts if np.isfinite(bound))
    return [Finding("latency buckets", False, f"no bucket at {', '.join(absent)} ms", f"choose cuts_ms from {offered}")]


def _some(frame: CounterFrame, profile: MetricProfile, queries: Queries) -> str:
    """The selector of a few targets that are up."""
    chosen = [pod for pod, scraped in zip(frame.pods, frame.scraped.tolist(), strict=True) if scraped > 0][:_SAMPLED]
    namespaces, names = any_of(namespace for namespace, _ in chosen), any_of(name for _, name in chosen)
    own = f"{profile.labels['target_namespace']}=~{quoted(namespaces)}, {profile.labels['target_pod']}=~{quoted(names)}"
    inner = queries.up()[len("up{") : -1]
    return f"up{{{', '.join(part for part in (inner, own) if part)}}}"


async def _interval(
    transport: Transport, queries: Queries, profile: MetricProfile, frame: CounterFrame, tick: float
) -> Finding:
    name = "scrape interval"
    body = await transport.instant(f"{_some(frame, profile, queries)}[5m]", frame.at)
    gaps = np.concatenate([np.diff([point.at for point in track.values]) for track in matrix(body)] or [np.empty(0)])
    if not gaps.size:
        return Finding(name, None, "no target was scraped twice in the last 5 minutes", "wait, then ask again")
    interval = float(np.median(gaps))
    detail = f"{interval:.3g} s, the tick is {tick:g} s"
    if interval > 60:
        remedy = "scrape the sidecars at least every 15 s: nothing is found faster than it is scraped"
        return Finding(name, False, detail, remedy)
    if interval > 1.5 * tick:
        return Finding(name, None, detail, f"ticks between scrapes add nothing: set tick to {interval:.0f}s")
    return Finding(name, True, detail)


async def _replicas(
    source: PrometheusSettings, queries: Queries, profile: MetricProfile, frame: CounterFrame
) -> Finding:
    """The same question about the same settled instant must get the same answer, whoever gives it."""
    query, at, answers = f"timestamp({_some(frame, profile, queries)})", frame.at - _SETTLED, set()
    for _ in range(_REPLICA_ASKS):
        transport = Transport(source)
        try:
            samples = vector(await transport.instant(query, at))
        finally:
            await transport.close()
        answers.add(frozenset((bytes(sample.metric), sample.value.value) for sample in samples))
    agreed = len(answers) == 1
    return Finding(
        "one server behind the address",
        agreed,
        "the same question gets the same answer" if agreed else f"{len(answers)} different answers to one question",
        ""
        if agreed
        else "several replicas scrape at different moments: point prometheus.url at one of them, or at a front that "
        "merges them (Thanos Query with dedup)",
    )
