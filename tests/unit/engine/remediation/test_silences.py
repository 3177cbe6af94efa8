"""Which alerts may be silenced: the replaced pod's own, never an objective's, never one of Observer's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.domain import names
from observer.domain.ids import PodRef
from observer.engine.remediation.silences import OBJECTIVE_LABELS, may_silence, silence_matchers, silence_seconds

POD = PodRef("shop", "cart-1", "u1")
OWN = {"alertname": "PodErrors", "namespace": "shop", "pod": "cart-1", "severity": "critical"}


def test_its_own_alert_may_be_silenced() -> None:
    assert may_silence(OWN, POD)


@pytest.mark.parametrize(
    "change",
    [
        {"pod": "cart-2"},
        {"pod": "cart-10"},
        {"pod": ""},
        {"namespace": "pay"},
        {"namespace": ""},
        {"alertname": names.PAGE_ALERT},
        {"alertname": names.BURN_ALERT},
        {"alertname": "ObserverBlind"},
        {names.ALERT_INCIDENT: "i1"},
        *({label: "x"} for label in OBJECTIVE_LABELS),
    ],
)
def test_anybody_elses_may_not(change: dict[str, str]) -> None:
    assert not may_silence(OWN | change, POD)


@pytest.mark.parametrize(
    ("ours", "theirs", "may"),
    [
        ("east", "east", True),
        ("east", "west", False),
        ("east", "east-2", False),
        ("east", "", True),
        ("", "west", True),
    ],
)
def test_an_alert_that_names_another_cluster_is_another_pods(ours: str, theirs: str, may: bool) -> None:
    assert may_silence(OWN | {names.CLUSTER: theirs}, POD, ours) is may
    assert may_silence(OWN, POD, ours)


def test_an_alert_of_a_workload_is_not_the_pods() -> None:
    assert not may_silence({"alertname": "CartErrors", "namespace": "shop", "workload": "cart"}, POD)


@pytest.mark.parametrize("pod", [PodRef("", "cart-1", "u"), PodRef("shop", "", "u")])
def test_a_pod_without_a_name_has_no_alerts(pod: PodRef) -> None:
    assert not may_silence({"namespace": pod.namespace, "pod": pod.name}, pod)


LABELS = st.dictionaries(
    st.sampled_from(
        ["alertname", "namespace", "pod", "severity", names.CLUSTER, names.ALERT_INCIDENT, *OBJECTIVE_LABELS]
    ),
    st.sampled_from(["", "shop", "cart-1", "cart", "x", names.PAGE_ALERT, names.BURN_ALERT]),
)


@given(LABELS, st.sampled_from(["", "x", "shop"]))
def test_what_the_matchers_catch_is_exactly_what_may_be_silenced(labels: dict[str, str], cluster: str) -> None:
    caught = all(one.matches(labels) for one in silence_matchers(POD, cluster))
    assert caught is may_silence(labels, POD, cluster)
    if caught:
        assert (labels["namespace"], labels["pod"]) == ("shop", "cart-1")
        assert not labels.get("alertname", "").startswith("Observer")
        assert not cluster or labels.get(names.CLUSTER, "") in ("", cluster)
        assert not any(labels.get(name) for name in (*OBJECTIVE_LABELS, names.ALERT_INCIDENT))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_silence_is_longer_than_five_minutes(wanted: float) -> None:
    if math.isnan(wanted) or wanted <= 0.0:
        with pytest.raises(ValueError, match="silence"):
            silence_seconds(wanted)
    else:
        assert 0.0 < silence_seconds(wanted) <= 300.0


def test_our_alerts_are_known_by_their_names() -> None:
    assert names.PAGE_ALERT.startswith(names.OUR_ALERTS) and names.BURN_ALERT.startswith(names.OUR_ALERTS)
