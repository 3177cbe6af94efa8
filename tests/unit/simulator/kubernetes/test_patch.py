"""The four kinds of patch."""

from __future__ import annotations

from typing import Any

import pytest

from observer.simulator.kubernetes.managers import record_managers
from observer.simulator.kubernetes.patch import apply_patch, json_patch, merge_patch, strategic_patch
from observer.simulator.kubernetes.status import Refused

Obj = dict[str, Any]
POD: Obj = {
    "metadata": {"name": "a", "uid": "u1", "labels": {"app": "cart"}},
    "spec": {"containers": [{"name": "app", "image": "x:1"}, {"name": "side", "image": "y:1"}]},
    "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"}]},
}


def test_json_patch_in_order() -> None:
    changed = json_patch(
        POD,
        [
            {"op": "test", "path": "/metadata/uid", "value": "u1"},
            {"op": "add", "path": "/metadata/labels/istio.io~1draining", "value": "true"},
            {"op": "replace", "path": "/spec/containers/0/image", "value": "x:2"},
            {"op": "remove", "path": "/status"},
            {"op": "copy", "from": "/metadata/name", "path": "/metadata/generateName"},
            {"op": "move", "from": "/metadata/uid", "path": "/metadata/old"},
            {"op": "add", "path": "/spec/containers/-", "value": {"name": "last"}},
            {"op": "add", "path": "/spec/containers/0", "value": {"name": "first"}},
        ],
    )
    assert changed == {
        "metadata": {
            "name": "a",
            "generateName": "a",
            "old": "u1",
            "labels": {"app": "cart", "istio.io/draining": "true"},
        },
        "spec": {
            "containers": [
                {"name": "first"},
                {"name": "app", "image": "x:2"},
                {"name": "side", "image": "y:1"},
                {"name": "last"},
            ]
        },
    }
    assert POD["metadata"]["uid"] == "u1", "the original stays as it was"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/uid", "value": "u2"},
        {"op": "test", "path": "/metadata/nothing", "value": "x"},
        {"op": "remove", "path": "/metadata/nothing"},
        {"op": "replace", "path": "/nothing/below", "value": "x"},
        {"op": "frob", "path": "/a"},
        {"op": "add"},
        {"op": "remove", "path": "a"},
        {"op": "add", "path": "/nothing/below", "value": "x"},
        {"op": "remove", "path": "/spec/containers/7"},
        {"op": "add", "path": "/spec/containers/7", "value": {}},
        {"op": "replace", "path": "", "value": 3},
    ],
)
def test_json_patch_that_does_not_fit(operation: Obj) -> None:
    with pytest.raises(Refused) as refused:
        json_patch(POD, [operation])
    assert refused.value.code == 422


@pytest.mark.parametrize(
    "patch",
    [
        {},
        [{"op": "add", "path": "/a"}],
    ],
)
def test_json_patch_that_is_none(patch: Any) -> None:
    with pytest.raises(Refused) as refused:
        json_patch(POD, patch)
    assert refused.value.code == 400


def test_a_test_for_null_holds_when_nothing_is_there() -> None:
    assert json_patch(POD, [{"op": "test", "path": "/metadata/nothing", "value": None}]) == POD


def test_merge_patch_merges_maps_and_replaces_lists() -> None:
    changed = merge_patch(
        POD, {"metadata": {"labels": {"app": None, "new": "x"}}, "spec": {"containers": []}, "status": None}
    )
    assert changed == {"metadata": {"name": "a", "uid": "u1", "labels": {"new": "x"}}, "spec": {"containers": []}}


def test_merge_patch_drops_nulls_below_new_maps() -> None:
    assert merge_patch({}, {"a": {"b": {"c": None, "d": 1}}}) == {"a": {"b": {"d": 1}}}


def test_strategic_patch_merges_lists_by_key() -> None:
    changed = strategic_patch(
        POD,
        {
            "metadata": {"labels": {"new": "x"}},
            "spec": {"containers": [{"name": "app", "image": "x:2"}, {"name": "third"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        },
    )
    assert changed["metadata"]["labels"] == {"app": "cart", "new": "x"}
    assert changed["spec"]["containers"] == [
        {"name": "app", "image": "x:2"},
        {"name": "side", "image": "y:1"},
        {"name": "third"},
    ]
    assert [item["status"] for item in changed["status"]["conditions"]] == ["True", "True"]


def test_strategic_patch_directives() -> None:
    changed = strategic_patch(
        POD,
        {
            "metadata": {"labels": {"$patch": "replace", "only": "x"}},
            "spec": {
                "$setElementOrder/containers": [{"name": "app"}],
                "containers": [{"name": "side", "$patch": "delete"}, {"name": "never there", "$patch": "delete"}],
            },
        },
    )
    assert changed["metadata"]["labels"] == {"only": "x"}
    assert [item["name"] for item in changed["spec"]["containers"]] == ["app"]
    with pytest.raises(Refused, match=r"\$deleteFromPrimitiveList/finalizers is not simulated"):
        strategic_patch(POD, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})
    with pytest.raises(Refused, match="merge key"):
        strategic_patch(POD, {"spec": {"containers": [{"image": "x"}]}})


def config(**data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}, "data": dict(data)}


def applied(live: Obj | None, wanted: Obj, manager: str, *, force: bool = False) -> Obj:
    merged, owned = apply_patch(live, wanted, manager, force=force)
    new = {**merged, "metadata": dict(merged["metadata"])}
    record_managers(live, new, manager, 0.0, applied=owned)
    return new


def test_apply_creates_and_owns() -> None:
    made = applied(None, config(x="1"), "observer")
    entry = made["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"]) == ("observer", "Apply")
    assert entry["fieldsV1"] == {"f:data": {"f:x": {}}}


def test_apply_removes_what_it_no_longer_says() -> None:
    made = applied(None, config(x="1", y="2"), "observer")
    made = applied(made, config(x="1"), "observer")
    assert made["data"] == {"x": "1"}


def test_apply_leaves_what_others_own() -> None:
    made = applied(None, config(x="1", y="2"), "somebody")
    made = applied(made, config(x="1", z="3"), "observer")
    made = applied(made, config(), "observer")
    assert made["data"] == {"x": "1", "y": "2"}


def test_apply_conflicts_are_named() -> None:
    made = applied(None, config(x="1"), "somebody")
    with pytest.raises(Refused, match=r'conflict with "somebody": \.data\.x') as refused:
        applied(made, config(x="2"), "observer")
    assert refused.value.code == 409
    assert refused.value.details["causes"][0]["reason"] == "FieldManagerConflict"
    assert applied(made, config(x="1"), "observer")["data"] == {"x": "1"}, "the same value is shared, not fought over"
    assert applied(made, config(x="2"), "observer", force=True)["data"] == {"x": "2"}


def test_apply_refuses_lists_by_name() -> None:
    wanted = {**config(), "spec": {"ports": [1]}}
    with pytest.raises(Refused, match=r"lists is not simulated: \.spec\.ports"):
        apply_patch(None, wanted, "observer", force=False)


def test_an_update_takes_fields_over() -> None:
    live = config(x="1", y="2")
    record_managers(None, live, "kubectl", 0.0)
    new = {**live, "metadata": dict(live["metadata"]), "data": {"x": "changed", "y": "2"}}
    record_managers(live, new, "observer", 60.0)
    owned = {entry["manager"]: entry["fieldsV1"] for entry in new["metadata"]["managedFields"]}
    assert owned == {"kubectl": {"f:data": {"f:y": {}}}, "observer": {"f:data": {"f:x": {}}}}
    assert new["metadata"]["managedFields"][1]["time"] == "1970-01-01T00:01:00Z"


def test_a_write_without_a_manager_keeps_the_record() -> None:
    live = config(x="1")
    record_managers(None, live, "kubectl", 0.0)
    new = config(x="2")
    record_managers(live, new, "", 60.0)
    assert new["metadata"]["managedFields"] == live["metadata"]["managedFields"]
