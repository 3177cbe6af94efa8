"""Stories of objectives and policies: the label on-boards, the budget decides, edits take effect or are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.harness.cluster import eventually
from tests.lab.harness.story import Story

pytestmark = pytest.mark.lab

LENIENT = 0.9
"""Target of the harmless pod's objective: its pod may fail ten times as much as a strict one's before budget burns."""
FAINT = 0.03
"""A quarter of the requests fails so often: 0.75 % of all, where one in ten may fail."""


def lenient_slo() -> dict[str, Any]:
    """The shipped availability objective under another name and target."""
    query = 'istio_requests_total{destination_service_namespace="$namespace",destination_canonical_service="$service",'
    query += 'reporter="source",%sresponse_flags!~"DC|FI"}'
    indicator = {
        "metadata": {"name": "lenient-availability"},
        "spec": {
            "ratioMetric": {
                "counter": True,
                "bad": {"metricSource": {"type": "Prometheus", "spec": {"query": query % 'response_code=~"5..",'}}},
                "total": {"metricSource": {"type": "Prometheus", "spec": {"query": query % ""}}},
            }
        },
    }
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {
            "name": "lenient",
            "annotations": {"observer.dev/preset": "istio-availability", "observer.dev/each": "service"},
        },
        "spec": {
            "service": "$service",
            "indicator": indicator,
            "budgetingMethod": "Occurrences",
            "timeWindow": [{"duration": "30d", "isRolling": True}],
            "objectives": [{"target": LENIENT}],
        },
    }


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "observer.dev/v1alpha1",
        "kind": "HealthPolicy",
        "metadata": {"name": name},
        "spec": {"selector": {"namespaces": {"names": ["shop"]}}, **spec},
    }


def written(folder: Path, *documents: dict[str, Any]) -> Path:
    """Policy files are YAML, and JSON is YAML."""
    folder.mkdir(exist_ok=True)
    path = folder / "shop.yaml"
    path.write_text("\n---\n".join(json.dumps(one, indent=1) for one in documents))
    return path


def test_onboarded_by_label(story: Story) -> None:
    """The namespace carries one label: it inherits the shipped defaults, and its objectives are known and good."""
    observer = story.observe()
    found = observer.ask("check", "--effective", "shop/catalog-v1", "--live")
    assert json.dumps(found).count("platform.yaml"), "the shipped platform default does not reach the workload"
    assert observer.status()["policies"]["workloads"], "no workload is under a policy"
    eventually(
        lambda: observer.states().get("ok", 0.0) + observer.states().get("new", 0.0) >= 5.0,
        "the objectives of the shop's services are known",
        within=180,
        every=2.0,
    )
    assert not {state for state, count in observer.states().items() if count and state in ("conflict", "stale")}
    story.drains_a_real_gray_pod()
    told = story.decision("a drain for the budget", lambda one: one["kind"] == "drain", within=30)
    assert told["config"] != observer.status()["config"], "the decision does not carry the policy's identity"


def test_harmless_pod(story: Story, tmp_path: Path) -> None:
    """A pod that is certainly worse than its siblings, and burns no budget: told, not replaced."""
    written(tmp_path / "policies", lenient_slo(), policy("shop-lenient", objectives=["lenient"]))
    observer = story.observe(policies=["shipped", str(tmp_path / "policies")])
    faint = story.shop.pods("catalog")[2]
    story.spoil(faint, err=FAINT)
    told = story.decision(
        "the faint pod is suspected",
        lambda one: one["kind"] == "suspected" and faint.name in one["subject"],
        within=600,
    )
    held = story.held("no_impact", within=600)
    assert "budget" in json.dumps(held), held
    assert observer.complete_ticks() >= 30 and told["verdict"] == "tell"
    assert faint.name in {pod.name for pod in story.shop.pods("catalog")}
    story.shop.fault(faint, err=0.0)
    story.drains_a_real_gray_pod()


def test_edited_policy(story: Story, tmp_path: Path) -> None:
    """Shadow by policy; a broken edit changes nothing and is told; a good one takes effect without a restart."""
    folder = tmp_path / "policies"
    path = written(folder, policy("shop", mode="shadow"))
    observer = story.observe(policies=["shipped", str(folder)])
    gray = story.shop.pods("catalog")[1]
    story.spoil(gray, err=0.5)
    story.decision("it would drain", lambda one: one["verdict"] == "would" and gray.name in one["subject"], within=120)
    path.write_text(json.dumps(policy("shop", mode="enforced")))
    refused = story.decision("the edit is refused", lambda one: one["kind"] == "config_rejected", within=60)
    assert "shop.yaml" in refused["text"] and "mode" in refused["text"], refused["text"]
    assert observer.status()["reload"]["ok"] is False
    story.untouched(20)
    story.allowed.add(gray.name)
    written(folder, policy("shop", mode="enforce"))
    story.decision("the edit is in force", lambda one: one["kind"] == "config_reloaded", within=60)
    story.drained(gray, within=120)
