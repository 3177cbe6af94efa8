from __future__ import annotations

import re
from typing import Any

import pytest

from observer.config.openslo.annotations import BURN_SETS
from observer.config.openslo.assemble import objectives, templates
from observer.config.openslo.documents import parse_documents
from observer.config.openslo.templates import expand
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.slo import (
    BudgetingMethod,
    BurnTier,
    CalendarWindow,
    Comparison,
    LowTraffic,
    NoData,
    Objective,
    Preset,
    Query,
    RatioSli,
    RollingWindow,
    ThresholdSli,
)

NOW = 1_780_000_000.0

SLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability ANNOTATIONS}
spec:
  service: cart
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicatorRef: ratio
  objectives: [{target: 0.999}]
  alertPolicies: [POLICIES]
"""
SLI = """
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: ratio}
spec:
  ratioMetric:
    counter: true
    bad: {metricSource: {spec: {query: 'errors_total{ns="$namespace", svc=~"$service|x"}'}}}
    total: {metricSource: {spec: {query: 'requests_total{svc="cart"}'}}}
"""
POLICY = """
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: NAME ANNOTATIONS}
spec:
  alertWhenBreaching: true
  alertWhenNoData: NODATA
  conditions:
    - kind: AlertCondition
      metadata: {name: NAME}
      spec: {severity: SEVERITY, condition: {kind: burnrate, op: gt, threshold: FACTOR, lookbackWindow: BACK}}
  notificationTargets: [{kind: AlertNotificationTarget, metadata: {name: oncall}, spec: {target: pager}}]
"""


def slo(annotations: str = "observer.dev/scope: shop/cart", policies: str = "", text: str = SLO) -> str:
    marked = f", annotations: {{{annotations}}}" if annotations else ""
    return text.replace(" ANNOTATIONS", marked).replace("POLICIES", policies)


def policy(
    name: str, factor: float, back: str, *, severity: str = "page", partner: str = "", silent: bool = False
) -> str:
    marked = f", annotations: {{observer.dev/all-of: {partner}}}" if partner else ""
    text = POLICY.replace("NAME", name).replace(" ANNOTATIONS", marked).replace("NODATA", str(silent).lower())
    return text.replace("SEVERITY", severity).replace("FACTOR", str(factor)).replace("BACK", back)


def made(text: str, **more: Any) -> tuple[Objective, ...]:
    return objectives(parse_documents(text), at=NOW, **more)


def one(text: str) -> Objective:
    (found,) = made(text)
    return found


def test_a_ratio_by_reference() -> None:
    found = one(slo() + SLI)

    assert found.id == "shop/availability"
    assert (found.slo, found.service, found.scope) == ("availability", "cart", ServiceRef("shop", "cart"))
    assert found.sli == RatioSli(
        counter=True,
        bad=Query('errors_total{ns="shop", svc=~"cart|x"}'),
        total=Query('requests_total{svc="cart"}'),
    )
    assert (found.target, found.window, found.method) == (
        0.999,
        RollingWindow(2_592_000.0),
        BudgetingMethod.OCCURRENCES,
    )
    assert (found.no_data, found.low_traffic, found.tiers) == (NoData.HOLD, LowTraffic(5.0, 0.95), ())
    assert found.display == "ratio"


def test_annotations_arrive() -> None:
    found = one(
        slo(
            'observer.dev/scope: shop/cart, observer.dev/preset: istio-latency, observer.dev/cut-ms: "250", '
            'observer.dev/no-data: bad, observer.dev/min-bad-events: "3", observer.dev/confidence: "0.9", '
            "observer.dev/burn: sre-28d, observer.dev/cluster: east"
        )
        + SLI
    )

    assert (found.preset, found.cut_ms) == (Preset.ISTIO_LATENCY, 250.0)
    assert (found.no_data, found.low_traffic, found.cluster) == (NoData.BAD, LowTraffic(3.0, 0.9), "east")
    assert found.tiers == BURN_SETS["sre-28d"]


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("sre-30d", [14.4, 6, 3, 1]),
        ("sre-28d", [13.44, 5.6, 2.8, 0.933333]),
        ("sre-7d", [13.44, 3.5, 1.4, 0.98]),
    ],
)
def test_ready_tiers_spend_the_published_shares(name: str, factors: list[float]) -> None:
    assert [tier.factor for tier in BURN_SETS[name]] == factors
    assert [(tier.long, tier.short) for tier in BURN_SETS[name]] == [
        (3600, 300), (21_600, 1800), (86_400, 7200), (259_200, 21_600),
    ]  # fmt: skip


def test_two_policies_joined_are_one_tier_with_two_windows() -> None:
    text = slo(policies="{alertPolicyRef: fast}, {alertPolicyRef: fast-short}, {alertPolicyRef: slow}") + SLI
    text += policy("fast", 14.4, "1h", partner="fast-short") + policy("fast-short", 14.4, "5m")
    text += policy("slow", 1, "3d", severity="ticket")

    assert one(text).tiers == (
        BurnTier("fast", "page", 14.4, 3600.0, 300.0),
        BurnTier("slow", "ticket", 1.0, 259_200.0, 259_200.0),
    )


def test_the_partner_need_not_be_listed_and_may_point_back() -> None:
    text = slo(policies="{alertPolicyRef: fast}") + SLI
    text += policy("fast", 6, "6h", partner="short") + policy("short", 6, "30m", partner="fast")

    assert one(text).tiers == (BurnTier("fast", "page", 6.0, 21_600.0, 1800.0),)


def test_partners_must_agree() -> None:
    text = slo(policies="{alertPolicyRef: fast}") + SLI + policy("fast", 6, "6h", partner="short")

    with pytest.raises(ConfigError, match='threshold and severity of "short" must be the same: 6 and page'):
        made(text + policy("short", 7, "30m"))
    with pytest.raises(ConfigError, match="must be the same"):
        made(text + policy("short", 6, "30m", severity="ticket"))


def test_a_policy_that_does_not_tell_of_a_breach_gives_no_tier_but_may_tell_of_silence() -> None:
    silent = policy("absent", 6, "6h", silent=True).replace("alertWhenBreaching: true", "alertWhenBreaching: false")
    text = slo(policies="{alertPolicyRef: absent}") + SLI + silent

    assert (one(text).tiers, one(text).no_data) == ((), NoData.PAGE)
    told = slo("observer.dev/no-data: hold", policies="{alertPolicyRef: absent}") + silent
    assert one(told + SLI.replace("$namespace", "a").replace("$service", "b")).no_data is NoData.HOLD


def test_threshold_timeslices_and_raw() -> None:
    text = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: queue}
spec:
  service: cart
  budgetingMethod: Timeslices
  timeWindow: [{duration: 1Q, isRolling: true}]
  indicator:
    metadata: {name: depth}
    spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: max(depth)}}}}
  objectives:
    - {displayName: short, targetPercent: 99.9, op: lte, value: 100, timeSliceTarget: 0.95, timeSliceWindow: 5m}
    - {target: 0.5, op: lt, value: 10, timeSliceTarget: 1, timeSliceWindow: 1h}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: ready}
spec:
  service: cart
  budgetingMethod: RatioTimeslices
  timeWindow: [{duration: 1w, isRolling: true}]
  indicator:
    metadata: {name: share}
    spec: {ratioMetric: {counter: true, rawType: failure, raw: {metricSource: {spec: {query: error_share}}}}}
  objectives: [{target: 0.9, timeSliceWindow: 1m}]
"""
    short, long, ready = made(text)

    assert short.sli == ThresholdSli(Query("max(depth)"), Comparison.LTE, 100.0)
    assert (short.id, long.id, ready.id) == ("-/queue#1", "-/queue#2", "-/ready")
    assert (short.target, short.slice_target, short.slice_seconds) == (0.999, 0.95, 300.0)
    assert (long.slice_target, long.slice_seconds, long.method) == (1.0, 3600.0, BudgetingMethod.TIMESLICES)
    assert ready.sli == RatioSli(counter=False, raw=Query("error_share"), raw_is_success=False)
    assert (ready.method, ready.slice_target, ready.slice_seconds) == (BudgetingMethod.RATIO_TIMESLICES, 0.0, 60.0)
    assert short.display == "short"


def test_parts_of_a_composite_are_named_by_their_indicators() -> None:
    text = re.sub(r" *indicatorRef: ratio\n", "", slo()).replace(
        "objectives: [{target: 0.999}]",
        "objectives: [{target: 0.9, indicatorRef: ratio, compositeWeight: 3}, {target: 0.8, indicatorRef: ratio}]",
    )
    first, second = made(text + SLI)

    assert (first.id, second.id) == ("shop/availability#ratio", "shop/availability#ratio.2")
    assert first.composite == second.composite == "shop/availability"
    assert (first.weight, second.weight) == (3.0, 1.0)


def test_the_version_changes_with_the_arithmetic_alone() -> None:
    base = slo() + SLI
    version = one(base).version

    assert one(base.replace("target: 0.999", "target: 0.999, displayName: x")).version == version
    assert one(slo('observer.dev/scope: shop/cart, observer.dev/min-bad-events: "2"') + SLI).version == version
    assert one(base.replace("0.999", "0.99")).version != version
    assert one(base.replace("errors_total", "faults_total")).version != version
    assert one(base.replace("duration: 30d", "duration: 28d")).version != version
    assert one(base.replace("0.999", "0.99")).id == one(base).id


def test_a_calendar_version_does_not_move_with_the_clock() -> None:
    calendar = '{duration: 1M, calendar: {startTime: "2026-01-01 00:00:00", timeZone: Europe/Berlin}}'
    documents = parse_documents(slo().replace("{duration: 30d, isRolling: true}", calendar) + SLI)
    (now,), (later,) = objectives(documents, at=NOW), objectives(documents, at=NOW + 40 * 86_400)

    assert isinstance(now.window, CalendarWindow) and isinstance(later.window, CalendarWindow)
    assert now.window.bounds != later.window.bounds
    assert now.version == later.version


def test_a_template_is_filled_for_each_service() -> None:
    documents = parse_documents(slo("observer.dev/each: service").replace("service: cart", "service: $service") + SLI)

    assert objectives(documents, at=NOW) == ()
    (template,) = templates(documents, at=NOW)
    (found,) = expand(template, ServiceRef("shop", "ca.rt"))
    assert (found.id, found.service, found.scope) == (
        "shop/availability.ca.rt", "ca.rt", ServiceRef("shop", "ca.rt"),
    )  # fmt: skip
    assert isinstance(found.sli, RatioSli) and found.sli.bad is not None
    assert found.sli.bad.expr == 'errors_total{ns="shop", svc=~"ca[.]rt|x"}'
    (other,) = expand(template, ServiceRef("shop", "pay"))
    assert (other.id, other.version != found.version) == ("shop/availability.pay", True)


@pytest.mark.parametrize("name", ['a"} or x', "", "a$b", "a b", "-a"])
def test_a_template_takes_only_names_that_kubernetes_allows(name: str) -> None:
    (template,) = templates(parse_documents(slo("observer.dev/each: service") + SLI), at=NOW)

    with pytest.raises(ConfigError, match="no name that a query may hold"):
        expand(template, ServiceRef("shop", name))


def test_words_of_a_template_stand_in_quotes_and_need_a_service() -> None:
    outside = SLI.replace('ns="$namespace"', "ns=$namespace")
    with pytest.raises(ConfigError, match=r"\$namespace must stand inside the quotes"):
        made(slo() + outside)
    with pytest.raises(ConfigError, match="but the SLO does not say which"):
        made(slo("") + SLI)


def test_an_unknown_data_source_is_refused() -> None:
    text = slo() + SLI.replace("metricSource: {spec", "metricSource: {metricSourceRef: mesh, spec", 1)

    with pytest.raises(ConfigError, match=r'metricSourceRef: no DataSource is named "mesh" \(known: none is given\)'):
        made(text)
    source = """
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: mesh}
spec: {type: TYPE, connectionDetails: {}}
"""
    found = one(text + source.replace("TYPE", "prometheus")).sli
    assert isinstance(found, RatioSli) and found.bad is not None
    assert found.bad.source == "mesh"
    with pytest.raises(ConfigError, match='of type "Datadog"'):
        made(text + source.replace("TYPE", "Datadog"))


def test_the_given_cluster_is_the_default() -> None:
    (plain,) = made(slo() + SLI, cluster="west")
    (own,) = made(slo("observer.dev/scope: a/b, observer.dev/cluster: east") + SLI, cluster="west")

    assert (plain.cluster, own.cluster) == ("west", "east")
