"""What the mesh reads of pod objects."""

from __future__ import annotations

from observer.simulator.mesh.pods import Identity, MeshPod, PodTable
from tests.support.mesh import TinyStore, drained, pod


def test_identity_as_istio_derives_it() -> None:
    store = TinyStore()
    store.put(pod("pay-v2-abc12-x", "pay", "10.0.0.1", version="v2"))
    bare = pod("lone", "lone", "10.0.0.2")
    bare["metadata"]["labels"] = {}
    del bare["metadata"]["ownerReferences"]
    bare["spec"]["serviceAccountName"] = "robot"
    store.put(bare)
    first, second = PodTable(store).pods
    assert first.identity == Identity("shop", "pay-v2", "pay", "v2", "default")
    assert first.identity.principal == "spiffe://cluster.local/ns/shop/sa/default"
    assert second.identity == Identity("shop", "lone", "lone", "latest", "robot")


def test_a_sidecar_may_be_a_container_or_an_init_container() -> None:
    store = TinyStore()
    old = pod("old", "pay", "10.0.0.1")
    old["spec"] = {"containers": [{"name": "app"}, {"name": "istio-proxy"}]}
    plain = pod("plain", "pay", "10.0.0.2")
    plain["spec"] = {"containers": [{"name": "app"}]}
    for one in (old, plain, pod("new", "pay", "10.0.0.3")):
        store.put(one)
    assert {one.name: one.sidecar for one in PodTable(store).pods} == {"old": True, "plain": False, "new": True}


def test_changes_are_told_and_a_new_incarnation_is_another_pod() -> None:
    store = TinyStore()
    table = PodTable(store)
    told: list[tuple[int, bool]] = []

    def changed(one: MeshPod) -> None:
        told.append((one.slot, one.wanted))

    first = pod("pay-1", "pay", "10.0.0.1")
    store.put(first)
    table.listen(changed)
    store.put(drained(first))
    store.put(first)
    store.remove(first)
    replacement = {**first, "metadata": {**first["metadata"], "uid": "another"}}
    store.put(replacement)
    assert told == [(0, True), (0, False), (0, True), (0, False), (1, True)]
    living = table.named("shop", "pay-1")
    assert living is not None
    assert living.uid == "another"
    assert [one.gone for one in table.pods] == [True, False]
    assert table.living() == [living]


def test_the_control_plane_is_up_unless_its_pods_are_down() -> None:
    store = TinyStore()
    table = PodTable(store)
    ready = pod("istiod-1", "istiod", "10.0.0.9", namespace="istio-system")
    unready = pod("istiod-1", "istiod", "10.0.0.9", namespace="istio-system")
    unready["status"]["conditions"][0]["status"] = "False"
    seen = [table.control_plane_up]
    for obj in (unready, ready):
        store.put(obj)
        seen.append(table.control_plane_up)
    store.remove(ready)
    seen.append(table.control_plane_up)
    assert seen == [True, False, True, False]
    assert table.pods == []
