"""The keys of a PolicyTest document and what each may hold."""

from __future__ import annotations

from functools import cache
from typing import Any

from observer import actions
from observer.config.documents.values import choice, count, many, mapping, number, seconds, text, word
from observer.config.policies.keys import API_VERSION, TEST_KIND, WORKLOAD_KINDS, Part, section
from observer.config.policies.windows import check_instant
from observer.config.settings.sections import Switch
from observer.domain.action import ActionKind, Mode
from observer.domain.decision import Verdict
from observer.domain.slo import DataState

LONGEST = 40 * 86_400.0
NONE = "none"


@cache
def test_model() -> type[Part]:
    """The model of one PolicyTest document."""
    offset = seconds(0.0, LONGEST)
    words = mapping(text(empty=True))
    pod = section(
        "PodFacts", ready=Switch, node=text(), labels=words, annotations=words, restarted=Switch,
    )  # fmt: skip
    workload = section(
        "WorkloadFacts",
        kind=word(*WORKLOAD_KINDS), replicas=count(0, 1000), ready=count(0, 1000), service=text(), version=text(),
        labels=words, annotations=words, pod_labels=words, pod_annotations=words, age=offset, start=offset,
        managers=many(text()), touched=Switch, scaled_down=Switch, rollout=Switch, updated=count(0, 1000),
        budget=count(0, 1000), drain_works=Switch, replacement_starts=Switch, gateway=Switch, sidecar=Switch,
        local_volumes=Switch, priority_class=text(), peak_rate=number(0, 1e9), usual_error_rate=number(0, 1),
        pods=mapping(pod),
    )  # fmt: skip
    node = section("NodeFacts", zone=text(), ready=Switch, draining=Switch)
    world = {
        "namespaces": mapping(words),
        "workloads": mapping(workload),
        "nodes": mapping(node),
        "paused": Switch,
        "leader": Switch,
        "mesh": Switch,
    }
    approval = section("Approval", ("pod", "action"), pod=text(), action=choice(ActionKind, actions.approvable))
    change = section("Change", ("at",), at=offset, approve=many(approval), **world)
    expectation = section(
        "Expectation",
        at=offset, after=offset, before=offset, count=count(0, 100_000), verdict=word(*Verdict, NONE), kind=text(),
        action=choice(ActionKind), reason=text(), severity=word("info", "warning", "page"), pod=text(),
        objective=text(),
        state=choice(DataState), told=word("page", "ticket", NONE), firing=many(text()),
    )  # fmt: skip
    series = section("Series", ("values",), series=text(), query=text(), values=text())
    test = section(
        "Test", ("name", "expect"),
        name=text(), mode=choice(Mode), start=text(check_instant), interval=seconds(1.0, 3600.0),
        look=seconds(1.0, 3600.0), objectives=many(text()), series=many(series), changes=many(change),
        expect=many(expectation), **world,
    )  # fmt: skip
    return section(
        "PolicyTest", ("apiVersion", "kind", "tests"),
        apiVersion=word(API_VERSION), kind=word(TEST_KIND), rules=many(text()), settings=text(), tests=many(test),
    )  # fmt: skip


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one document, for editors."""
    body = test_model().model_json_schema()
    body["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    body["title"] = "Observer policy test"
    body["description"] = "kind: PolicyTest. Series and facts of a cluster, and what Observer must decide about them."
    return body
