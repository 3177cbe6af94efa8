"""Alerts ask Observer to look: what they may name, what is asked because of them, and how they are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import Mode
from observer.domain.alert import Alert, AlertStatus
from observer.domain.cluster import ClusterView
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import ServiceRef
from observer.domain.policy import EffectivePolicies, EffectivePolicy
from observer.domain.reasons import Reason
from observer.domain.suspect import Culprit, CulpritKind, Suppression, Suspect, Tier
from observer.engine.context import Rules
from observer.engine.decide import conclude
from observer.engine.memory import Memory
from observer.engine.remediation.alerts import LOOK_SECONDS, target
from tests.support.builders import NOW, catalog, cluster, enforce, judgement, service_ref, snapshot, suspect, workload

PODS = catalog(4)
SERVICE = service_ref()
NAME = "CatalogErrors"


def alert(**labels: str) -> Alert:
    given = {"alertname": NAME, "namespace": SERVICE.namespace, "service": SERVICE.name} | labels
    return Alert("{}:{}", "f1", "2026-11-25T10:00:00Z", AlertStatus.FIRING, {k: v for k, v in given.items() if v})


class OperatorActions:
    """Ticks with alerts waiting; the policy of the catalog lists ``allowed``."""

    def __init__(self, *allowed: str) -> None:
        applied = replace(EffectivePolicy.of(enforce()), alerts=frozenset(allowed), mode=Mode.ENFORCE)
        self.policies = EffectivePolicies("book", {workload().ref: applied})
        self.memory, self.at = Memory(), NOW

    def tick(
        self, *alerts: Alert, suspects: tuple[Suspect, ...] = (), suppressions: tuple[Suppression, ...] = ()
    ) -> list[Decision]:
        """The decisions of kind ``alert``."""
        self.at += 5.0
        view = cluster(PODS, [workload()], at=self.at)
        found = judgement(at=self.at, suspects=suspects, suppressions=suppressions)
        picture = replace(snapshot(view, at=self.at), alerts=alerts)
        self.memory, decisions = conclude(picture, found, self.memory, Rules(enforce(), self.policies))
        assert not [one for one in decisions if one.verdict is Verdict.ACT]
        return [one for one in decisions if one.kind == "alert"]


def reasons(told: list[Decision]) -> list[str]:
    return [one.reason for one in told]


def test_an_allowed_alert_has_its_service_looked_at_and_is_told_once() -> None:
    desk = OperatorActions(NAME)
    (told,) = desk.tick(alert())
    assert (told.reason, told.service, told.figures["alert"]) == ("looking", SERVICE, alert().id)
    assert SERVICE in desk.memory.watch and SERVICE in desk.memory.recheck
    assert desk.tick(alert()) == []
    assert SERVICE in desk.memory.watch


def test_an_alert_that_no_policy_lists_starts_nothing() -> None:
    desk = OperatorActions("Another")
    assert reasons(desk.tick(alert())) == ["not_allowed"]
    assert not desk.memory.watch and not desk.memory.looking


def test_an_alert_about_nobody_known_is_answered() -> None:
    assert reasons(OperatorActions(NAME).tick(alert(service="nowhere"))) == ["unknown_target"]


def test_what_is_over_is_looked_at_no_more() -> None:
    desk = OperatorActions(NAME)
    desk.tick(alert())
    assert reasons(desk.tick()) == ["resolved"]
    assert not desk.memory.looking and SERVICE not in desk.memory.watch


def test_nobody_is_an_answer_too() -> None:
    desk = OperatorActions(NAME)
    desk.tick(alert())
    desk.at += LOOK_SECONDS
    (told,) = desk.tick(alert())
    assert told.reason == "nobody" and "stands out" in told.text
    assert not desk.memory.looking


def test_a_suspect_of_its_service_answers_it_with_the_incident() -> None:
    desk = OperatorActions(NAME)
    desk.tick(alert())
    (told,) = desk.tick(alert(), suspects=(suspect(PODS[0], Tier.ANNOTATE),))
    (incident,) = desk.memory.open_incidents()
    assert (told.reason, told.figures["found"]) == ("found", incident.id)


def test_an_inherited_failure_answers_it_with_whom_to_blame() -> None:
    desk = OperatorActions(NAME)
    desk.tick(alert())
    cause = Culprit(CulpritKind.WORKLOAD, "shop", "store")
    (told,) = desk.tick(alert(), suppressions=(Suppression(SERVICE, Reason.INHERITED, "its errors", cause, NOW),))
    assert told.reason == "found" and "store" in told.text


@pytest.mark.parametrize(
    "labels",
    [
        {"pod": PODS[2].ref.name, "service": ""},
        {"service": "", "destination_service_name": SERVICE.name},
        {"service": "", "namespace": "", "destination_service_namespace": "shop", "destination_workload": "catalog"},
        {"service": "", "deployment": "catalog"},
    ],
)
def test_labels_name_a_service_a_workload_or_a_pod(labels: dict[str, str]) -> None:
    view: ClusterView = cluster(PODS, [workload()], at=NOW)
    assert target(alert(**labels), view) == SERVICE


def test_a_name_alone_is_no_target() -> None:
    view = cluster(PODS, [workload()], at=NOW)
    assert target(alert(namespace=""), view) is None
    assert target(alert(namespace="other"), view) is None
    assert target(alert(service="", pod="catalog-gone"), view) is None
    assert ServiceRef("", SERVICE.name) not in view.by_service
