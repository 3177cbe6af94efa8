"""The shipped roles and admission policies are those of the table of actions, no more and no less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer import actions

MANIFESTS = Path(__file__).parents[3] / "deploy" / "manifests"
ROLES = sorted({spec.role for spec in actions.writing() if spec in actions.SHIPPED})


def documents(name: str, kind: str) -> Iterator[dict[str, Any]]:
    text = (MANIFESTS / name).read_text(encoding="utf-8")
    yield from (document for document in yaml.safe_load_all(text) if document and document["kind"] == kind)


def named(name: str, kind: str, role: str) -> dict[str, Any]:
    (matching,) = [each for each in documents(name, kind) if each["metadata"]["name"] == f"observer-{role}"]
    return matching


@pytest.mark.parametrize("role", ROLES)
def test_each_role_grants_what_its_actions_write(role: str) -> None:
    wanted = {
        (rule.group, resource, verb)
        for spec in actions.SHIPPED
        if spec.role == role
        for rule in spec.rules
        for resource in rule.resources
        for verb in rule.verbs
    }
    granted = {
        (group, resource, verb)
        for rule in named("rbac.yaml", "ClusterRole", role)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == wanted


@pytest.mark.parametrize("role", ROLES)
def test_each_admission_policy_holds_the_fences_of_its_actions(role: str) -> None:
    wanted = {
        (fence.expression, fence.message) for spec in actions.SHIPPED if spec.role == role for fence in spec.fences
    }
    policy = named("admission.yaml", "ValidatingAdmissionPolicy", role)["spec"]
    held = {(each["expression"].strip(), each["message"]) for each in policy["validations"]}
    assert held == wanted
    assert all(each["reason"] == "Forbidden" for each in policy["validations"])
    assert policy["failurePolicy"] == "Fail"


def test_no_other_role_or_policy_writes_to_pods() -> None:
    fenced = {each["metadata"]["name"] for each in documents("admission.yaml", "ValidatingAdmissionPolicy")}
    bound = {each["spec"]["policyName"] for each in documents("admission.yaml", "ValidatingAdmissionPolicyBinding")}
    assert fenced == bound == {f"observer-{role}" for role in ROLES}
    writing = {
        role["metadata"]["name"]
        for kind in ("ClusterRole", "Role")
        for role in documents("rbac.yaml", kind)
        for rule in role["rules"]
        if any(resource.startswith("pods") for resource in rule["resources"])
        and {"create", "update", "patch", "delete"} & set(rule["verbs"])
    }
    assert writing == fenced
