"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest

from observer.simulator.kubernetes.selectors import matches_selector, parse_fields, parse_labels
from observer.simulator.kubernetes.status import Refused

LABELS = {"app": "cart", "version": "v1", "istio.io/draining": "true"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app=cart", True),
        ("app==cart", True),
        ("app = pay", False),
        ("app!=pay", True),
        ("other!=pay", True),
        ("app in (cart, pay),version=v1", True),
        ("app notin (cart,pay)", False),
        ("other notin (x)", True),
        ("istio.io/draining", True),
        ("!istio.io/draining", False),
        ("!other,app=cart", True),
        ("app=", False),
    ],
)
def test_label_selectors(text: str, expected: bool) -> None:
    test = parse_labels(text)
    assert test is not None
    assert test(LABELS) is expected


def test_an_empty_selector_is_none() -> None:
    assert parse_labels("") is None
    assert parse_fields("pods", "") is None


@pytest.mark.parametrize("text", ["app=a=b", "a b", "app in cart", "(x)"])
def test_label_selectors_that_are_none(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_labels(text)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "cart"}}, True),
        ({"matchLabels": {"app": "pay"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["cart"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["cart"]}]}, False),
        ({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["cart"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors_in_objects(selector: dict[str, Any] | None, expected: bool) -> None:
    assert matches_selector(selector, LABELS) is expected


POD = {
    "metadata": {"name": "a", "namespace": "shop"},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spec.nodeName=n1", True),
        ("spec.nodeName!=n1", False),
        ("metadata.name=a,status.phase=Running", True),
        ("status.phase!=Running,metadata.name=a", False),
        ("status.podIP=", True),
    ],
)
def test_field_selectors(text: str, expected: bool) -> None:
    test = parse_fields("pods", text)
    assert test is not None
    assert test(POD) is expected


def test_fields_of_events_in_both_spellings() -> None:
    event = {"metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "a", "uid": "u"}, "reason": "Killing"}
    for text in ("involvedObject.name=a,involvedObject.uid=u", "regarding.kind=Pod,reason=Killing"):
        test = parse_fields("events", text)
        assert test is not None
        assert test(event)


def test_nodes_by_cordon() -> None:
    test = parse_fields("nodes", "spec.unschedulable=false")
    assert test is not None
    assert test({"spec": {}})
    assert not test({"spec": {"unschedulable": True}})


@pytest.mark.parametrize("text", ["spec.hostname=a", "regarding.name=a", "nonsense"])
def test_fields_that_cannot_be_selected_by(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_fields("pods", text)
    assert refused.value.code == 400
