"""The manifests grant what Observer does, and nothing that it does not do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from observer.actuators.evict import EvictActuator
from observer.actuators.kill_switch import ConfigMapSwitch
from observer.actuators.lease_store import KubeLeaseStore
from observer.actuators.restore import restore_expired
from observer.config.policies.load import compile_set, policy_files, read_sources
from observer.config.policies.read import Source
from observer.config.settings import read
from observer.config.settings.model import SHIPPED
from observer.config.settings.sources import KubernetesSettings
from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import PodRef, Target
from observer.domain.kinds import Kind
from observer.domain.person import Identity
from observer.kube.client import KubeApi
from observer.kube.reviews import KubeAccessReviews, KubeTokenReviews
from observer.ports.stores import LeaseRecord
from observer.runtime.clock import SystemClock
from observer.simulator.kubernetes import objects as kube_objects
from observer.simulator.kubernetes.api import API
from observer.sinks.kube_events import KubeEventSink
from observer.sources.kubernetes.cluster import KubernetesCluster
from tests.support.actuators import DrainAndRestore
from tests.support.kube_sim import SimulatedKube, connected, running, simulated_kube, until
from tests.support.kube_worlds import is_ready

MANIFESTS = Path(__file__).parents[2] / "deploy" / "manifests"
Right = tuple[str, str]


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted(MANIFESTS.glob("*.yaml")):
        yield from (one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one)


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in manifests() if one["kind"] in kinds]


def granted(account: str) -> set[Right]:
    """``(verb, resource)`` of every role that is bound to the account."""
    bound = {
        binding["roleRef"]["name"]
        for binding in of_kind("ClusterRoleBinding", "RoleBinding")
        if any(subject["name"] == account for subject in binding["subjects"])
    }
    return {
        (verb, resource)
        for role in of_kind("ClusterRole", "Role")
        if role["metadata"]["name"] in bound
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(kube: SimulatedKube) -> set[Right]:
    return {(call.verb, call.resource) for call in kube.app[API].calls}


async def a_ready_pod(kube: SimulatedKube) -> PodRef:
    await until(lambda: any(is_ready(pod) for pod in kube.store.list("pods", "shop")))
    meta = next(pod["metadata"] for pod in kube.store.list("pods", "shop") if is_ready(pod))
    return PodRef("shop", meta["name"], meta["uid"])


async def do_everything(kube: SimulatedKube, api: KubeApi) -> None:
    """One of each thing that the daemon asks of the API server."""
    cluster = KubernetesCluster(api, KubernetesSettings(), clock=SystemClock(), random=Random(1))
    async with running(cluster.run):
        assert await cluster.synced(60)
        await until(lambda: all(kube.asked("watch", kind.value) for kind in cluster.view(0.0).fresh))
        pod = await a_ready_pod(kube)
        await cluster.pod_now(pod)
        await cluster.pod_events(pod)
        await cluster.pod_logs(pod, "app", 5, 100)
    switch, store = ConfigMapSwitch(api, "observer"), KubeLeaseStore(api, "observer", "observer")
    await switch.ensure()
    await switch.read()
    await switch.write(paused=False, who="ann", reason="test")
    assert await store.read() is None
    record = await store.swap(LeaseRecord("a", 1, 15.0, "2026-01-01T00:00:00.000000Z", ""))
    assert record is not None
    assert await store.swap(record)
    sink = KubeEventSink(api, instance="o")
    for number in range(2):
        told = Decision(f"d{number}", time.time(), Kind.DRAIN, Verdict.ACT, "pod", "r", "t", pod=pod)
        await sink.publish(told)
    person = Identity("ana", ("team",))
    await KubeTokenReviews(api, SystemClock()).identified("a.b.c")
    await KubeAccessReviews(api).allowed(person, "approve")
    drain = DrainAndRestore(api, by="o")
    for action_kind in (ActionKind.DRAIN, ActionKind.RESTORE):
        await drain.apply(Action(action_kind, "i1", Target.of(pod), expires=time.time()))
    await EvictActuator(api).apply(Action(ActionKind.EVICT, "i1", Target.of(pod)))


async def test_the_daemon_may_do_exactly_what_it_does(tmp_path: Path) -> None:
    objects: Iterable[dict[str, Any]] = kube_objects.shop_objects([("cart", "v1", 2)])
    async with simulated_kube(objects, speed=50.0) as kube, connected(tmp_path, kube.url) as api:
        await do_everything(kube, api)
        assert asked(kube) | {("get", "observers")} == granted("observer")  # that of `observer status` in its own pod


async def test_the_job_that_gives_back_may_do_exactly_that(tmp_path: Path) -> None:
    objects: Iterable[dict[str, Any]] = kube_objects.shop_objects([("cart", "v1", 1)])
    async with simulated_kube(objects, speed=50.0) as kube, connected(tmp_path, kube.url) as api:
        pod = await a_ready_pod(kube)
        await DrainAndRestore(api, by="o").apply(Action(ActionKind.DRAIN, "i1", Target.of(pod), expires=1.0))
        kube.app[API].calls.clear()
        assert await restore_expired(api, time.time())
        await restore_expired(api, time.time(), only=str(pod))
        assert asked(kube) == granted("observer-restore")


def test_nobody_may_delete_or_read_secrets() -> None:
    for role in of_kind("ClusterRole", "Role"):
        for rule in role["rules"]:
            assert not {"delete", "deletecollection", "*", "impersonate", "bind", "escalate"} & set(rule["verbs"])
            assert not {"secrets", "*", "pods/exec"} & set(rule["resources"])
            assert "*" not in rule["apiGroups"]


def test_every_file_is_installed() -> None:
    (kustomization,) = of_kind("Kustomization")
    assert sorted(kustomization["resources"]) == sorted(
        path.name for path in MANIFESTS.glob("*.yaml") if path.name != "kustomization.yaml"
    )


def test_names_are_those_of_the_code() -> None:
    switch = next(one for one in of_kind("ConfigMap") if one["metadata"]["name"] == names.CONTROL_CONFIGMAP)
    assert switch["data"] == {"paused": "false"}
    (home,) = of_kind("Role")
    named = {name for rule in home["rules"] for name in rule.get("resourceNames", ())}
    assert named == {names.LEASE_NAME, names.CONTROL_CONFIGMAP}
    policies = {one["metadata"]["name"]: str(one["spec"]) for one in of_kind("ValidatingAdmissionPolicy")}
    assert names.DRAIN_LABEL in policies["observer-drain"]
    assert names.DRAIN_ANNOTATION in policies["observer-drain"]
    assert all(f'"{names.NAMESPACE_ENABLED}"' in text for text in policies.values())


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_containers_can_do_as_little_as_possible(kind: str) -> None:
    (found,) = of_kind(kind)
    template = found["spec"]["template"] if kind == "Deployment" else found["spec"]["jobTemplate"]["spec"]["template"]
    pod = template["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_the_shipped_settings_are_good() -> None:
    config = next(one for one in of_kind("ConfigMap") if one["metadata"]["name"] == "observer-config")
    found = read.parse(config["data"]["observer.yaml"])
    assert found.engine.mode is Mode.SHADOW, "off until asked"
    assert found.own_namespace == config["metadata"]["namespace"] == found.engine.guards.own_namespace
    assert found.kubernetes == KubernetesSettings()


def test_the_policies_of_the_manifests_are_good_and_mounted_where_the_settings_look() -> None:
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind("ConfigMap")}
    found = read.parse(maps["observer-config"]["observer.yaml"])
    [deployment] = of_kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    volume = next(one["name"] for one in pod["volumes"] if one.get("configMap", {}).get("name") == "observer-policies")
    mounted = next(one["mountPath"] for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume)
    own = [Source(name, text) for name, text in maps["observer-policies"].items()]

    assert found.policies == (SHIPPED, mounted)
    every = compile_set([*read_sources(policy_files([SHIPPED])), *own], found)
    modes = {one.values["mode"].value for one in every.policies if "mode" in one.values}
    assert modes == {Mode.SHADOW}, "off until asked"


def test_roles_of_people_grow_and_are_bound_to_nobody_else() -> None:
    roles = {one["metadata"]["name"]: one["rules"] for one in of_kind("ClusterRole")}
    verbs = {}
    for name in ("viewer", "approver", "admin"):
        (rule,) = roles[f"observer-{name}"]
        assert (rule["apiGroups"], rule["resources"]) == (["observer.dev"], ["observers"])
        verbs[name] = set(rule["verbs"])
    assert verbs == {"viewer": {"get"}, "approver": {"get", "approve"}, "admin": {"get", "approve", "admin"}}
    bound = {one["roleRef"]["name"] for one in of_kind("ClusterRoleBinding")}
    assert not bound & {"observer-approver", "observer-admin"}
