from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer.cli.rules import objectives_of, write
from observer.domain.errors import ConfigError
from observer.domain.slo import (
    BudgetingMethod,
    BurnTier,
    Comparison,
    Objective,
    Preset,
    Query,
    RatioSli,
    ThresholdSli,
)
from observer.exchange.prometheus_rules import (
    Dialect,
    RuleOptions,
    check_alike,
    file_name,
    inhibition,
    rule_file,
)
from tests.support.promtool import check
from tests.support.slo import objective


def group(one: Objective, options: RuleOptions | None = None) -> dict[str, Any]:
    documents = list(yaml.load_all(rule_file(one, options), Loader=yaml.SafeLoader))
    assert len(documents) == 1
    (found,) = documents[0]["groups"]
    return dict(found)


def kinds(one: Objective) -> list[str]:
    return [next(iter(rule)) + ":" + next(iter(rule.values())) for rule in group(one)["rules"]]


def test_counts_come_before_sums_and_sums_before_alerts() -> None:
    names = kinds(objective())

    assert names[:2] == ["record:observer:slo_total:increase5m", "record:observer:slo_bad:increase5m"]
    assert names[2:9] == [f"record:observer:slo_error:ratio{w}" for w in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")]
    assert names[9:] == ["record:observer:slo_budget_spent:ratio", *["alert:ObserverBudgetBurn"] * 4]
    assert group(objective())["interval"] == "5m"


def test_an_alert_says_where_in_the_mesh_to_look() -> None:
    alerts = [rule["labels"] for rule in group(objective(service="payments"))["rules"] if "alert" in rule]
    elsewhere = [rule["labels"] for rule in group(objective(scope=None))["rules"] if "alert" in rule]

    assert {(one["namespace"], one["canonical_service"], one["service"]) for one in alerts} == {
        ("shop", "cart", "payments")
    }
    assert not any({"namespace", "canonical_service"} & set(one) for one in elsewhere)


def test_identity_is_the_id_and_the_cluster_and_nothing_a_person_may_edit() -> None:
    one = objective(cluster="east", display="some text")
    recorded = [rule["labels"] for rule in group(one)["rules"] if "record" in rule]
    alerts = [rule["labels"] for rule in group(one)["rules"] if "alert" in rule]

    assert all(labels == {"slo_id": "shop/cart-availability", "cluster": "east"} for labels in recorded)
    assert [labels["burn_tier"] for labels in alerts] == ["1h", "6h", "1d", "3d"]
    assert all(labels["cluster"] == "east" for labels in alerts)


def test_limits_are_the_very_numbers_that_the_daemon_compares_with() -> None:
    one = objective()
    alerts = [rule["expr"] for rule in group(one)["rules"] if "alert" in rule]

    assert all(f"> {tier.factor * one.allowed!r} and" in expr for tier, expr in zip(one.tiers, alerts, strict=True))
    assert alerts[0].endswith(
        'and sum_over_time(observer:slo_bad:increase5m{slo_id="shop/cart-availability"}[3450s]) >= 5'
    )
    assert all(">= 5" not in rule["expr"] for rule in group(one, RuleOptions(min_bad=False))["rules"])


def test_since_prometheus_3_a_range_leaves_out_its_start() -> None:
    assert "[5m]" in group(objective())["rules"][0]["expr"]
    assert "[5m1ms]" in group(objective(), RuleOptions(dialect=Dialect.V3))["rules"][0]["expr"]


def test_texts_of_people_are_no_templates() -> None:
    alert = group(objective(display="a {{ bomb }}"))["rules"][-1]

    assert "{{ bomb" not in alert["annotations"]["summary"]


def test_only_the_fastest_tier_is_told() -> None:
    rules = yaml.load(inhibition([objective(), objective("b"), objective("c", tiers=())]), Loader=yaml.SafeLoader)

    assert [rule["source_matchers"][1] for rule in rules["inhibit_rules"]] == [
        f'burn_tier="{tier}"' for tier in ("1h", "6h", "1d")
    ]
    assert rules["inhibit_rules"][0]["target_matchers"][1] == 'burn_tier=~"6h|1d|3d"'
    assert all(rule["equal"] == ["slo_id", "cluster"] for rule in rules["inhibit_rules"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sli": RatioSli(good=Query("sum(x)"), total=Query("y"))}, "counters are counted by a selector"),
        ({"sli": RatioSli(good=Query("x offset 5m"), total=Query("y"))}, "counters are counted by a selector"),
        ({"sli": RatioSli(good=Query("x{"), total=Query("y"))}, "no PromQL"),
        ({"sli": RatioSli(total=Query("y"))}, "total and exactly one of good and bad"),
        ({"tiers": (BurnTier("t", "page", 1.0, 3600.0, 90.0),)}, "window 90s is no multiple of the bucket 5m"),
        ({"method": BudgetingMethod.TIMESLICES}, "a bucket of 0 s"),
    ],
)
def test_what_cannot_be_said_as_rules_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"objective shop/cart-availability: .*{message}"):
        rule_file(objective(**changes))


def test_no_two_objectives_share_a_file() -> None:
    ids = ["a/b-c", "a-b/c", "a/b#c", "a/b/c"]
    names = {file_name(replace(objective(), id=one)) for one in ids}

    assert len(names) == len(ids)
    with pytest.raises(ConfigError, match="would share the file slo-shop--x_y"):
        check_alike([replace(objective(), id="shop/x y"), replace(objective(), id="shop/x_y")])


ODD = [
    objective(sli=ThresholdSli(Query("queue_length"), Comparison.LTE, 5.0)),
    objective(sli=RatioSli(counter=False, raw=Query("ready_ratio"))),
    objective(sli=RatioSli(counter=False, raw=Query("failure_ratio"), raw_is_success=False)),
    objective(sli=RatioSli(counter=False, good=Query("sum(rate(a[1m]))"), total=Query("sum(rate(b[1m]))"))),
    objective(sli=RatioSli(good=Query('a{x="1"} or (a{x="2"})'), total=Query("a"))),
    objective(method=BudgetingMethod.TIMESLICES, slice_target=0.9, slice_seconds=60.0),
    objective(method=BudgetingMethod.RATIO_TIMESLICES, slice_seconds=300.0),
    objective(cluster='e"a\\st', display="quote ' and \" and ü"),
]


@pytest.mark.needs("promtool")
def test_promtool_finds_no_fault_in_any_of_them(tmp_path: Path) -> None:
    presets = [
        *objectives_of(["shop/cart"], Preset.ISTIO_AVAILABILITY, target=0.999, burn="7d"),
        *objectives_of(["shop/cart"], Preset.ISTIO_LATENCY, target=0.99, burn="28d", cut_ms=250.0, ambient=True),
    ]
    texts = [
        rule_file(one, RuleOptions(dialect=dialect)) for one in (*ODD, *presets) for dialect in (Dialect.V2, Dialect.V3)
    ]

    assert check(tmp_path, *texts).count("SUCCESS") == len(texts)


def test_the_command_writes_one_file_an_objective(tmp_path: Path) -> None:
    ones = objectives_of(["shop/cart", "shop/web"], Preset.ISTIO_AVAILABILITY, target=0.99, cluster="east")
    body, text = write(ones, tmp_path / "rules", RuleOptions())

    files = ["alertmanager-inhibition.yaml", *(f"slo-east--shop--{n}-availability.rules.yaml" for n in ("cart", "web"))]
    assert body["files"] == files == sorted(path.name for path in (tmp_path / "rules").iterdir())
    assert text.startswith("2 objectives written to")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 1.0}, "--target 1: must be above 0 and below 1"),
        ({"burn": "90d"}, "--burn 90d: known are 28d, 7d, sre-30d"),
        ({"services": ["cart"]}, "--service cart: expected NAMESPACE/NAME"),
        ({"preset": Preset.ISTIO_LATENCY}, "--cut-ms: the latency preset needs a bound"),
    ],
)
def test_options_that_cannot_be_are_named(changes: dict[str, Any], message: str) -> None:
    options = {"services": ["shop/cart"], "preset": Preset.ISTIO_AVAILABILITY, "target": 0.999, **changes}
    with pytest.raises(ConfigError, match=message):
        objectives_of(**options)


def test_nothing_is_written_when_one_objective_cannot_be(tmp_path: Path) -> None:
    bad = objective("bad", sli=RatioSli(good=Query("sum(x)"), total=Query("y")))
    with pytest.raises(ConfigError, match="objective shop/bad"):
        write([objective(), bad], tmp_path / "rules", RuleOptions())
    assert not (tmp_path / "rules").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--out .*file: "):
        write([objective()], tmp_path / "file", RuleOptions())
