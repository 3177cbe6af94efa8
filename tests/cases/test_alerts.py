"""Alerts as real rules send them: labels of whoever was scraped, storms, and hundreds about one service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observer.domain.alert import Alert, AlertStatus
from observer.domain.policy import EffectivePolicies, EffectivePolicy
from observer.engine.remediation.alerts import target
from tests.cases.rows import case
from tests.support.alerts import bearer, hooked, notification, wire_alert
from tests.support.builders import NOW, catalog, cluster, enforce, pod, service_ref, workload, workload_ref
from tests.support.stage import Stage

SUBJECT = "the scraped target is mistaken for the subject"


def labelled(name: str, wrong: bool = False, **labels: str) -> Any:
    return case(labels, row="A1", kind=SUBJECT, name=name) if wrong else case(labels, name=name)


@pytest.mark.parametrize(
    "labels",
    [
        labelled(
            "object metrics",
            wrong=True,
            namespace="monitoring",
            pod="kube-state-metrics-1",
            exported_namespace="shop",
            exported_pod="catalog-1",
        ),
        labelled(
            "an exporter inside the mesh",
            wrong=True,
            namespace="monitoring",
            pod="exporter-1",
            exported_namespace="shop",
            exported_pod="catalog-1",
        ),
        labelled("destination", destination_service_name="catalog", destination_service_namespace="shop"),
        labelled(
            "scraped at the client",
            wrong=True,
            namespace="shop",
            pod="front-1",
            destination_service_name="catalog",
            destination_service_namespace="shop",
            reporter="source",
        ),
        labelled(
            "namespace of the rule",
            wrong=True,
            namespace="monitoring",
            destination_service_name="catalog",
            destination_service_namespace="shop",
        ),
        labelled("statefulset", wrong=True, namespace="shop", statefulset="catalog"),
        labelled("OpenTelemetry", wrong=True, k8s_namespace_name="shop", k8s_pod_name="catalog-1"),
        labelled("our own rules", wrong=True, slo_id="shop/mesh-availability.catalog"),
        labelled("canary", namespace="shop", workload="catalog", workload_type="deployment"),
        labelled("pod and cluster", namespace="shop", pod="catalog-1", cluster="east"),
    ],
)
def test_an_alert_is_about_its_subject_not_about_who_was_scraped(labels: dict[str, str]) -> None:
    pods = [*catalog(3), pod("front-1"), pod("exporter-1", namespace="monitoring")]
    view = cluster(pods, [workload(), workload("front")], at=NOW)
    alert = Alert("g", "f", "s", AlertStatus.FIRING, {"alertname": "Errors", **labels})

    assert target(alert, view) == service_ref()


@pytest.mark.parametrize(
    "longest",
    [case(10), case(5000, row="A2", kind="all or nothing on a batch")],
)
async def test_one_odd_alert_does_not_take_a_storm_with_it(longest: int, tmp_path: Path) -> None:
    alerts = [wire_alert(fingerprint=f"{number:016x}") for number in range(499)]
    alerts.append(wire_alert(fingerprint="f" * 16, annotations={"description": "x" * longest}))

    async with hooked([bearer(tmp_path)]) as hook:
        status, _ = await hook.post(notification(*alerts))
        retained = len(hook.inbox.retained)

    assert status == 202
    assert retained == 500


@pytest.mark.parametrize(
    "count",
    [case(1), case(500, row="A3", kind="work for each input inside the tick, without a cap")],
)
def test_hundreds_of_alerts_about_one_service_get_one_answer_a_tick(count: int) -> None:
    policy = replace(EffectivePolicy.of(enforce()), alerts=frozenset({"CartErrors"}))
    labels = {"alertname": "CartErrors", "namespace": "shop", "service": "catalog"}
    alerts = tuple(
        Alert("g", f"{number:016x}", "s", AlertStatus.FIRING, labels | {"pod2": f"p{number}"}, received=NOW)
        for number in range(count)
    )
    stage = Stage(policies=EffectivePolicies("test", {workload_ref(): policy}), picture={"alerts": alerts})
    stage.tick()

    assert len(stage.told("alert")) == 1
