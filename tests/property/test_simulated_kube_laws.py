"""Laws of the simulated Kubernetes: patches as the standards say, rollouts and budgets within their limits."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from observer.simulator.clock import SimClock
from observer.simulator.kubernetes import pods as kube_pods
from observer.simulator.kubernetes.deployments import limits
from observer.simulator.kubernetes.managers import fields_v1, paths
from observer.simulator.kubernetes.objects import config_map, disruption_budget, namespace
from observer.simulator.kubernetes.patch import json_patch, merge_patch
from observer.simulator.kubernetes.status import Refused
from observer.simulator.kubernetes.store import Store
from tests.support.kube_cluster import HandCluster, app, name_of

KEYS = st.sampled_from(["a", "b", "c", "a/b", "a~b"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("xyz", max_size=3)
JSON = st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
MAPS = st.dictionaries(KEYS, JSON, max_size=4)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


@given(target=MAPS, patch=MAPS)
def test_a_merge_patch_is_idempotent(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(target=MAPS, patch=MAPS)
def test_a_merge_patch_keeps_what_it_does_not_name(target: Any, patch: Any) -> None:
    merged = merge_patch(target, patch)
    assert {key: value for key, value in merged.items() if key not in patch} == {
        key: value for key, value in target.items() if key not in patch
    }


@given(patch=MAPS)
def test_a_merge_patch_of_nothing_is_itself_without_nulls(patch: Any) -> None:
    assert merge_patch({}, patch) == without_nulls(patch)


@given(target=MAPS, key=KEYS, value=JSON)
def test_what_json_patch_adds_it_finds_and_takes_back(target: Any, key: str, value: Any) -> None:
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    added = json_patch(target, [{"op": "add", "path": pointer, "value": value}])
    assert added == {**target, key: value}
    test, remove = {"op": "test", "path": pointer, "value": value}, {"op": "remove", "path": pointer}
    assert json_patch(added, [test, remove]) == {other: item for other, item in target.items() if other != key}


@given(owned=st.sets(st.lists(st.sampled_from("abcd"), min_size=2, max_size=2).map(tuple), max_size=8))
def test_owned_fields_survive_their_spelling(owned: set[tuple[str, ...]]) -> None:
    assert set(paths(fields_v1(owned))) == owned


WRITES = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from("abcd"), st.integers(0, 3)), max_size=30
)


@given(writes=WRITES, begin=st.integers(0, 30))
def test_a_list_and_the_changes_since_give_the_present(writes: list[tuple[str, str, int]], begin: int) -> None:
    """Whoever lists at any moment and follows from there ends up with what a list says at the end."""
    store = Store(SimClock())
    store.add(namespace("shop"))
    picture: dict[str, Any] = {}
    version = store.version
    for index, (what, name, value) in enumerate(writes):
        if index == begin:
            picture, version = {name_of(obj): obj for obj in store.list("configmaps")}, store.version
        present = store.get("configmaps", "shop", name)
        if what == "delete" and present is not None:
            store.delete("configmaps", "shop", name)
        elif what == "put" and present is None:
            store.add(config_map("shop", name, {"x": str(value)}))
        elif what == "put":
            store.update("configmaps", config_map("shop", name, {"x": str(value)}))
    seen = version
    for change in store.since("configmaps", version):
        assert change.version > seen
        seen = change.version
        if change.type == "DELETED":
            del picture[name_of(change.entry.object)]
        else:
            picture[name_of(change.entry.object)] = change.entry.object
    assert picture == {name_of(obj): obj for obj in store.list("configmaps")}


ACTS = st.lists(
    st.tuples(st.sampled_from(["evict", "unready", "ready", "image", "scale", "wait"]), st.integers(0, 9)), max_size=12
)


@given(acts=ACTS, replicas=st.integers(2, 5), spare=st.integers(0, 2))
@settings(max_examples=40)
def test_no_series_of_evictions_breaks_a_budget(acts: list[tuple[str, int]], replicas: int, spare: int) -> None:
    """An eviction that passes never leaves fewer healthy pods than the budget wants, whatever happened before."""
    budget = disruption_budget("shop", "cart", {"app": "cart"}, min_available=max(replicas - spare, 0))
    cluster = HandCluster(app("cart", replicas), budget)
    cluster.run(6)
    for what, number in acts:
        pods = cluster.pods("cart")
        name = name_of(pods[number % len(pods)])
        if what == "evict":
            healthy = kube_pods.is_ready(cluster.store.entry("pods", "shop", name).object)
            try:
                cluster.controllers.evict("shop", name)
            except Refused:
                pass
            else:
                if healthy:
                    assert len(cluster.ready("cart")) >= replicas - spare
        elif what in ("ready", "unready"):
            cluster.controllers.set_ready("shop", name, what == "ready")
        elif what == "image":
            cluster.controllers.set_image("shop", "cart-v1", f"shop.example/app:{number}")
        elif what == "scale":
            cluster.controllers.scale("shop", "cart-v1", max(replicas, number))
        cluster.run(number / 2)


@given(seed=st.integers(0, 1000), replicas=st.integers(1, 8), surge=st.integers(0, 3), down=st.integers(0, 3))
@settings(max_examples=40)
def test_rollouts_end_and_stay_within_their_limits(seed: int, replicas: int, surge: int, down: int) -> None:
    cluster = HandCluster(app("cart", replicas, max_surge=surge, max_unavailable=down))
    cluster.run(6)
    up, fewer = limits(cluster.store.entry("deployments", "shop", "cart-v1").object)
    dice = random.Random(seed)

    def check() -> None:
        assert len(cluster.pods("cart")) <= replicas + up
        assert len(cluster.ready("cart")) >= replicas - fewer

    for version in range(2, 2 + dice.randint(1, 3)):
        cluster.controllers.set_image("shop", "cart-v1", f"shop.example/app:{version}")
        cluster.run(dice.uniform(1, 6), check=check)
    cluster.run(60, step=1, check=check)
    assert len(cluster.ready("cart")) == replicas
    assert len({pod["spec"]["containers"][0]["image"] for pod in cluster.pods("cart")}) == 1
