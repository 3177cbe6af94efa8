from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from observer.config.documents.marks import read_marked_all
from observer.config.policies.document import Subject
from observer.config.policies.effective import EffectivePolicyCache, PolicySet, doubts, modes
from observer.config.policies.keys import paths, schema
from observer.config.policies.load import compile_set, load, policy_files, read_sources
from observer.config.policies.read import Source
from observer.config.policies.windows import placed
from observer.config.settings.read import default, parse
from observer.domain import names
from observer.domain.action import ActionKind, Mode
from observer.domain.errors import ConfigError
from observer.domain.ids import WorkloadRef
from observer.domain.policy import EffectivePolicies, TimeWindow
from observer.domain.settings import GuardSettings, declared
from tests.support.builders import NOW, catalog, cluster, workload

GOLDEN = Path(__file__).parents[3] / "golden" / "policies"
CART = Subject(WorkloadRef("shop", "Deployment", "cart"), {"app": "cart"}, {"observer.dev/enabled": "true"})


def policy(name: str, selector: str, *lines: str) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    head = f"apiVersion: observer.dev/v1alpha1\nkind: HealthPolicy\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  selector: {{{selector}}}\n{body}"


EVERYWHERE, SHOP = "namespaces: {enabled: true}", "namespaces: {names: [shop]}"
FRIDAY = 1_774_569_600.0  # 2026-03-27 00:00 UTC
CARTS = "namespaces: {names: [shop]}, workloads: {names: [cart]}"


def compiled(*texts: str, own: bool = True) -> PolicySet:
    return compile_set([Source(f"f{i}.yaml", text, own) for i, text in enumerate(texts)], default())


def refusal(*texts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        compiled(*texts)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_messages_are_as_recorded(name: str) -> None:
    source = Source(f"{name}.yaml", (GOLDEN / f"{name}.yaml").read_text())
    with pytest.raises(ConfigError) as caught:
        compile_set([source], default(), objectives=["cart-availability"])

    assert str(caught.value) + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_values_inherit_field_by_field_and_keep_their_place() -> None:
    found = compiled(
        policy("platform", EVERYWHERE, "mode: dry-run", "guards: {serving_share: 0.6, blocked_max: 10m}"),
        policy("shop", SHOP, "guards: {serving_share: 0.75}"),
        policy("cart", CARTS, "mode: enforce", "percent: 100", "approvals: [evict]"),
    ).effective(CART)

    assert found.policies == ("platform", "shop", "cart")
    assert found.values["mode"].value is Mode.ENFORCE and str(found.values["mode"].place) == "f2.yaml:6"
    assert found.values["guards.serving_share"].value == 0.75
    assert str(found.values["guards.serving_share"].place) == "f1.yaml:6"
    assert str(found.values["guards.blocked_max"].place) == "f0.yaml:7"
    assert str(found.values["escalation.actions"].place) == "built in"
    assert found.values["approvals"].value == (ActionKind.EVICT,)


def test_a_mode_without_percentage_is_for_all_whatever_was_inherited() -> None:
    found = compiled(
        policy("platform", EVERYWHERE, "mode: enforce", "percent: 5"), policy("cart", CARTS, "mode: enforce")
    ).effective(CART)

    assert found.values["percent"].value == 100.0
    assert str(found.values["percent"].place) == "f1.yaml:6"


def test_a_persons_policy_outranks_a_shipped_one_of_the_same_level() -> None:
    shipped = Source("shipped.yaml", policy("default", EVERYWHERE, "guards: {serving_share: 0.6}"), own=False)
    mine = Source("mine.yaml", policy("mine", EVERYWHERE, "guards: {serving_share: 0.9}"))

    found = compile_set([mine, shipped], default()).effective(CART)

    assert found.values["guards.serving_share"].value == 0.9


def test_no_more_specific_policy_lifts_a_hold() -> None:
    found = compiled(
        policy("platform", EVERYWHERE, "hold: {reason: sale, until: 2026-12-01T00:00:00+01:00}"),
        policy("cart", CARTS, "hold: {reason: moving}"),
    ).effective(CART)

    assert [(one.value.reason, one.value.source) for one in found.holds] == [("sale", "platform"), ("moving", "cart")]
    assert [one.value.until for one in found.holds] == [1_796_079_600.0, float("inf")]


def test_policies_without_a_namespace_reach_enabled_namespaces_only() -> None:
    found = compiled(policy("carts", "workloads: {labels: {app: cart}}", "mode: enforce"))

    assert found.effective(CART).policies == ("carts",)
    assert found.effective(replace(CART, namespace_labels={})).policies == ()


def test_rules_that_need_both_values_see_what_is_inherited() -> None:
    platform = policy("platform", EVERYWHERE, "escalation: {drain_seconds: 20m}")
    cart = policy("cart", CARTS, "escalation: {experiment_seconds: 10m}")

    assert len(compiled(platform, cart).policies) == 2
    assert "f0.yaml:6:16 spec.escalation.drain_seconds: must be longer" in refusal(cart)


def test_the_shipped_policies_load_and_none_is_loaded_when_the_settings_say_so(tmp_path: Path) -> None:
    assert load(default()).policies
    assert load(parse("policies: []")).policies == ()
    (tmp_path / "a.yaml").write_text(policy("a", SHOP, "mode: enforce"))
    (tmp_path / "..hidden.yaml").write_text("no: policy")
    (tmp_path / "notes.txt").write_text("no policy")
    assert [one.name for one in load(parse(f"policies: [{tmp_path}]")).policies] == ["a"]


def test_shipped_policies_name_no_mode_and_only_objectives_that_are_shipped() -> None:
    shipped = load(default())
    texts = [source.text for source in read_sources(policy_files(["shipped"]))]
    documents: list[Any] = [one.data for text in texts for one in read_marked_all(text, "rules.yaml")]
    slos = [one["metadata"] for one in documents if one["kind"] == "SLO"]
    templates = {one["name"] for one in slos if names.SLO_EACH in one["annotations"]}
    named = {name for one in shipped.policies if "objectives" in one.values for name in one.values["objectives"].value}

    assert named == templates
    assert {one["name"] for one in slos} - templates == {"observer-sight", "observer-pace"}  # they stand for themselves
    assert not [one.name for one in shipped.policies if "mode" in one.values or one.own]


@pytest.mark.parametrize("profile", ["web", "grpc", "nodejs", "java-spring", "batch", "ingress-gateway"])
def test_a_profile_is_one_label_away(profile: str) -> None:
    labelled = replace(CART, labels={"observer.dev/profile": profile})

    assert load(default()).effective(labelled).policies == ("platform-default", f"profile-{profile}")


def test_files_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        policy_files([str(tmp_path / "one.yaml"), str(tmp_path / "two")])

    assert "one.yaml: does not exist" in str(caught.value)
    assert "two: does not exist" in str(caught.value)


def test_objectives_may_stand_in_the_same_file() -> None:
    text = policy("shop", SHOP, "mode: enforce") + "---\napiVersion: openslo/v1\nkind: SLO\n"

    assert [one.name for one in compiled(text).policies] == ["shop"]


def test_every_guard_is_either_a_policys_or_the_clusters() -> None:
    in_policies = {path.removeprefix("guards.") for path in paths() if path.startswith("guards.")}
    of_the_cluster = {item.name for item in declared(GuardSettings) if item.setting.cluster_wide}

    assert in_policies | of_the_cluster == {item.name for item in fields(GuardSettings)} - {"own_namespace"}
    assert not in_policies & of_the_cluster


def test_the_schema_names_every_path() -> None:
    body: Any = schema()
    spec = body["$defs"]["Spec"]["properties"]

    assert {path.partition(".")[0] for path in paths()} | {"selector", "hold"} == set(spec)


def test_a_book_has_the_applied_policy_of_every_workload() -> None:
    pods = catalog(3)
    view = cluster(pods, [workload(desired=3)])
    platform = policy("platform", EVERYWHERE, "mode: enforce", "escalation: {actions: [annotate, drain]}")
    keeper = EffectivePolicyCache(compiled(platform))

    policies = keeper.policies(view, NOW)

    ref = pods[0].workload
    assert ref is not None
    assert policies.applied[ref].mode is Mode.ENFORCE
    assert policies.applied[ref].escalation.actions == (ActionKind.ANNOTATE, ActionKind.DRAIN)
    assert policies.applied[ref].names == ("platform",)
    assert keeper.policies(view, NOW + 5) is policies
    assert modes(policies) == {"enforce": 1}
    gone = replace(view, namespaces={**view.namespaces, ref.namespace: {}})
    assert keeper.policies(gone, NOW + 10).applied == {}


def test_without_policies_the_book_is_empty() -> None:
    assert EffectivePolicyCache(compiled()).policies(cluster(catalog(2), [workload()]), NOW) == EffectivePolicies()


def test_a_tie_that_only_the_cluster_shows_holds_the_workload_in_shadow() -> None:
    one = workload(desired=3)
    labelled = replace(one, labels={"app": "catalog", "tier": "front"})
    found = compiled(
        policy("apps", "workloads: {labels: {app: catalog}}", "mode: enforce"),
        policy("fronts", "workloads: {labels: {tier: front}}", "mode: enforce"),
    )

    policies = EffectivePolicyCache(found).policies(cluster(catalog(3), [labelled]), NOW)

    applied = policies.applied[one.ref]
    assert applied.mode is Mode.SHADOW
    assert "mode is set by apps (f0.yaml:6) and by fronts (f1.yaml:6)" in applied.holds[0].reason
    assert str(one.ref) in doubts(policies)


def test_identities_follow_values_and_not_places() -> None:
    text = policy("platform", EVERYWHERE, "mode: enforce")
    view = cluster(catalog(2), [workload()])

    def identity(*texts: str) -> set[str]:
        return {one.identity for one in EffectivePolicyCache(compiled(*texts)).policies(view, NOW).applied.values()}

    assert identity(text) == identity(f"# moved\n\n{text}")
    assert identity(text) != identity(text.replace("enforce", "dry-run"))
    assert compiled(text).identity != compiled(text.replace("enforce", "dry-run")).identity


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        (FRIDAY + 7.5 * 3600, False),  # 2026-03-27, 08:30 in Berlin, still UTC+1
        (FRIDAY + 8.5 * 3600, True),
        (FRIDAY + 32.5 * 3600, False),  # Saturday
        (FRIDAY + 78.5 * 3600, False),  # Monday, 08:30: UTC+2 by now
        (FRIDAY + 79.5 * 3600, True),
        (FRIDAY + 87.5 * 3600, False),
    ],
)
def test_windows_follow_the_zones_own_clock(at: float, inside: bool) -> None:
    window = placed(TimeWindow(frozenset(range(5)), 9 * 60, 17 * 60, "Europe/Berlin"), FRIDAY)

    assert window.open_at(at) is inside


def test_a_window_may_go_past_midnight() -> None:
    window = TimeWindow(frozenset({4}), 22 * 60, 6 * 60, "UTC")  # Friday night
    assert [window.open_at(FRIDAY + hours * 3600) for hours in (1, 21.9, 22, 29.9, 30, 46)] == [
        False, False, True, True, False, False,
    ]  # fmt: skip
