"""An alert goes round: Observer's rules fire, Alertmanager delivers, Observer acts in its bounds, it resolves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from observer.dashboards.catalogue import PanelQuery, questions
from observer.domain.names import BURN_ALERT, BURN_TIER
from tests.lab.harness.alertmanager import ADDRESS, alertmanager, alerts
from tests.lab.harness.cluster import eventually
from tests.lab.harness.daemon import LISTEN
from tests.lab.harness.story import Story
from tests.lab.stack import telemetry
from tests.lab.stack.places import CHECKOUT

pytestmark = pytest.mark.lab

FIRES_SECONDS = 700.0
"""The rules count in buckets of five minutes; an alert needs one bucket with the fault in it."""
RESOLVES_SECONDS = 900.0
OWN_RULES = str(CHECKOUT / "rules" / "prometheus" / "observer.rules")


def rules(folder: Path) -> Path:
    """The rule files of the catalog's objective as a person has them written."""
    words = ["rules", "--service", "shop/catalog", "--target", "0.999", "--dialect", "3", "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "observer", *words], cwd=CHECKOUT, check=True, timeout=60)
    return folder


def listed(folder: Path) -> Path:
    """A policy of the shop that lists the burn alert among those it looks into."""
    folder.mkdir()
    document = {
        "apiVersion": "observer.dev/v1alpha1",
        "kind": "HealthPolicy",
        "metadata": {"name": "shop"},
        "spec": {"selector": {"namespaces": {"names": ["shop"]}}, "mode": "enforce", "alerts": [BURN_ALERT]},
    }
    (folder / "shop.yaml").write_text(json.dumps(document))
    return folder


def answered(story: Story, question: PanelQuery) -> bool:
    """Has this panel data? Variables as a person leaves them: all; the range goes back to before the story."""
    expr = question.expr.replace("$__rate_interval", "30s").replace("$__range", "30m")
    return bool(story.metrics.query(re.sub(r"\$\w+", ".+", expr)))


def burning() -> list[dict[str, Any]]:
    """The fastest tier; slower ones rightly go on for as long as their windows remember the fault."""
    fastest = {"alertname": BURN_ALERT, BURN_TIER: "1h"}
    return [one for one in alerts() if fastest.items() <= one["labels"].items()]


def test_alert_goes_round(story: Story, tmp_path: Path) -> None:
    """Paused, Observer only looks into the alert; let go, it replaces the pod; the alert ends, dashboards answer."""
    token = tmp_path / "token"
    token.write_text("a-secret-of-the-laboratory")
    written = rules(tmp_path / "rules")
    policies = ["shipped", str(listed(tmp_path / "policies"))]
    webhook = {"enabled": True, "bearer_file": str(token), "alertmanager_url": f"http://{ADDRESS}"}
    with alertmanager(tmp_path / "alertmanager", token, written / "alertmanager-inhibition.yaml"):
        telemetry.write_scrape_configuration(
            story.lab.places, rules=[f"{written}/*.rules.yaml", OWN_RULES], alertmanager=ADDRESS, observer=LISTEN
        )
        telemetry.reload_prometheus()
        observer = story.observe(policies=policies, webhook=webhook)
        observer.ask("pause", "--reason", "a person looks first")
        pod = story.shop.pods("catalog")[1]
        story.gray(pod, err=0.8)
        held = story.held("paused", within=120)
        eventually(burning, "the burn alert fires", within=FIRES_SECONDS, every=2.0)
        found = story.decision(
            "the alert is answered", lambda one: one["kind"] == "alert" and one["reason"] == "found", within=60
        )
        assert pod.name in found["text"], found["text"]
        assert not story.witness.drained(story.began), f"drained while paused: {held}"
        observer.ask("resume")
        story.drained(pod, within=60)
        story.evicted(pod)
        story.verified(pod)
        eventually(lambda: not burning(), "the burn alert resolves", within=RESOLVES_SECONDS, every=2.0)
        eventually(
            lambda: observer.figure("observer_alert_webhook_requests_total") >= 2,
            "news of the end arrives",
            within=60,
            every=1.0,
        )
        unanswered = [one for one in questions() if not answered(story, one)]
        assert [one for one in unanswered if not one.needs_event] == [], "a panel of a dashboard stays empty"
        assert len(unanswered) <= len(questions()) // 10, unanswered
    assert {write.name for write in story.evictions()} == {pod.name}
