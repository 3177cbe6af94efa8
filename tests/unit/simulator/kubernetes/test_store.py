"""The object store: versions, compare-and-swap, history."""

from __future__ import annotations

from typing import Any

import pytest

from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.objects import config_map, namespace
from observer.simulator.kubernetes.status import Refused
from observer.simulator.kubernetes.store import Store

Obj = dict[str, Any]


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def store(clock: SimClock) -> Store:
    made = Store(clock, history=10)
    made.add(namespace("shop"))
    return made


def test_a_birth_gets_identity_version_and_time(store: Store) -> None:
    made = store.add(config_map("shop", "a", {"x": "1"}))
    assert made["metadata"]["resourceVersion"] == str(store.version)
    assert made["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert len(made["metadata"]["uid"]) == 36
    assert list(made)[:2] == ["apiVersion", "kind"]
    assert store.get("configmaps", "shop", "a") is made


def test_versions_grow_over_all_kinds(store: Store) -> None:
    first = store.add(config_map("shop", "a", {}))
    second = store.add(namespace("other"))
    third = store.modify("configmaps", "shop", "a", lambda new: new["data"].update(x="1"))
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in (first, second, third)]
    assert versions == sorted(set(versions))


def test_a_taken_name_is_refused(store: Store) -> None:
    store.add(config_map("shop", "a", {}))
    with pytest.raises(Refused) as refused:
        store.add(config_map("shop", "a", {}))
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")


def test_a_missing_namespace_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match='namespaces "nowhere" not found'):
        store.add(config_map("nowhere", "a", {}))


def test_generated_names_differ(store: Store) -> None:
    found = {
        store.create("configmaps", {"metadata": {"generateName": "a-", "namespace": "shop"}})["metadata"]["name"]
        for _ in range(20)
    }
    assert len(found) == 20
    assert all(name.startswith("a-") and len(name) == 7 for name in found)


def test_an_update_with_an_old_version_loses(store: Store) -> None:
    old = store.add(config_map("shop", "a", {"x": "1"}))
    store.modify("configmaps", "shop", "a", lambda new: new["data"].update(x="2"))
    with pytest.raises(Refused, match="the object has been modified") as refused:
        store.update("configmaps", {**old, "data": {"x": "3"}})
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")


def test_an_update_without_a_version_wins(store: Store) -> None:
    store.add(config_map("shop", "a", {"x": "1"}))
    assert store.update("configmaps", config_map("shop", "a", {"x": "3"}))["data"] == {"x": "3"}


def test_an_update_cannot_change_identity(store: Store) -> None:
    old = store.add(config_map("shop", "a", {"x": "1"}))
    new = store.update(
        "configmaps", {"metadata": {"name": "a", "namespace": "shop", "creationTimestamp": "x"}, "data": {"x": "2"}}
    )
    assert new["metadata"]["uid"] == old["metadata"]["uid"]
    assert new["metadata"]["creationTimestamp"] == old["metadata"]["creationTimestamp"]
    with pytest.raises(Refused, match="Precondition failed: UID"):
        store.update("configmaps", {"metadata": {"name": "a", "namespace": "shop", "uid": "other"}})


def test_an_update_that_changes_nothing_keeps_the_version(store: Store) -> None:
    old = store.add(config_map("shop", "a", {"x": "1"}))
    assert store.update("configmaps", config_map("shop", "a", {"x": "1"})) is old


def test_what_was_handed_out_never_changes(store: Store) -> None:
    mine = config_map("shop", "a", {"x": "1"})
    old = store.add(mine)
    mine["data"]["x"] = "changed by the caller"
    store.modify("configmaps", "shop", "a", lambda new: new["data"].update(x="2"))
    assert old["data"] == {"x": "1"}


def test_generation_counts_changes_of_the_spec_only(store: Store) -> None:
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}}
    store.create("deployments", {"metadata": {"name": "a", "namespace": "shop"}, "spec": spec})
    store.modify("deployments", "shop", "a", lambda new: new.update(status={"replicas": 1}), subresource="status")
    store.modify("deployments", "shop", "a", lambda new: new["metadata"].update(labels={"a": "b"}))
    assert store.entry("deployments", "shop", "a").object["metadata"]["generation"] == 1
    store.modify("deployments", "shop", "a", lambda new: new["spec"].update(replicas=2))
    assert store.entry("deployments", "shop", "a").object["metadata"]["generation"] == 2


def test_a_delete_holds_to_the_uid(store: Store) -> None:
    made = store.add(config_map("shop", "a", {}))
    with pytest.raises(Refused) as refused:
        store.delete("configmaps", "shop", "a", uid="another")
    assert refused.value.code == 409
    store.delete("configmaps", "shop", "a", uid=made["metadata"]["uid"])
    assert store.get("configmaps", "shop", "a") is None


def test_subscribers_hear_everything_in_order(store: Store) -> None:
    heard: list[tuple[str, str, str]] = []
    store.subscribe(lambda plural, kind, obj: heard.append((plural, kind, obj["metadata"]["resourceVersion"])))
    start = store.version
    store.add(config_map("shop", "a", {}))
    store.modify("configmaps", "shop", "a", lambda new: new.update(data={"x": "1"}))
    store.delete("configmaps", "shop", "a")
    assert heard == [
        ("configmaps", "ADDED", str(start + 1)),
        ("configmaps", "MODIFIED", str(start + 2)),
        ("configmaps", "DELETED", str(start + 3)),
    ]


def test_history_from_a_version_on(store: Store) -> None:
    start = store.version
    store.add(config_map("shop", "a", {}))
    store.add(namespace("other"))
    store.delete("configmaps", "shop", "a")
    assert [(change.type, change.version) for change in store.since("configmaps", start)] == [
        ("ADDED", start + 1),
        ("DELETED", start + 3),
    ]
    assert [change.type for change in store.since("configmaps", start + 1)] == ["DELETED"]
    assert store.since("configmaps", store.version) == []


def test_old_history_is_forgotten(store: Store) -> None:
    start = store.version
    for index in range(30):
        store.add(config_map("shop", f"a{index}", {}))
    with pytest.raises(Refused, match="too old resource version") as refused:
        store.since("configmaps", start)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    assert len(store.since("configmaps", store.version - 10)) == 10


def test_compacting_forgets_everything_before(store: Store) -> None:
    store.add(config_map("shop", "a", {}))
    before = store.version
    store.add(config_map("shop", "b", {}))
    store.compact()
    with pytest.raises(Refused, match="too old"):
        store.since("configmaps", before)
    now = store.version
    store.add(config_map("shop", "c", {}))
    assert len(store.since("configmaps", now)) == 1


def test_lists_are_sorted_and_by_namespace(store: Store) -> None:
    store.add(namespace("bakery"))
    for place, name in (("shop", "b"), ("bakery", "z"), ("shop", "a")):
        store.add(config_map(place, name, {}))
    assert [obj["metadata"]["name"] for obj in store.list("configmaps")] == ["z", "a", "b"]
    assert [obj["metadata"]["name"] for obj in store.list("configmaps", "shop")] == ["a", "b"]


def test_a_graceful_deletion_is_only_ever_brought_forward(store: Store, clock: SimClock) -> None:
    store.create("pods", {"metadata": {"name": "a", "namespace": "shop"}, "spec": {}, "status": {}})
    store.mark_deleted("pods", "shop", "a", 30)
    clock.advance(5)
    later = store.mark_deleted("pods", "shop", "a", 60)
    assert later["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    sooner = store.mark_deleted("pods", "shop", "a", 2)
    assert sooner["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:07Z"


def test_the_same_seed_gives_the_same_identities(clock: SimClock) -> None:
    def uids(seed: int) -> list[str]:
        made = Store(clock, seed=seed)
        return [made.add(namespace(name))["metadata"]["uid"] for name in ("a", "b")]

    assert uids(3) == uids(3)
    assert uids(3) != uids(4)
