"""What the manifests grant and fence off is what the table of actions says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from observer import actions
from observer.actions import ActionSpec

FOLDER = Path(__file__).parents[3] / "deploy" / "manifests"
WRITING = actions.writing()


def documents(kind: str) -> dict[str, Any]:
    """The manifests of a kind by name."""
    read = [one for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text("utf-8")) if one]
    return {one["metadata"]["name"]: one for one in read if one["kind"] == kind}


def of_kind(spec: ActionSpec) -> str:
    return spec.kind.value


@pytest.mark.parametrize("spec", WRITING, ids=of_kind)
def test_its_role_grants_its_rules_and_nothing_else(spec: ActionSpec) -> None:
    role = documents("ClusterRole")[f"observer-{spec.role}"]
    granted = {(tuple(rule["apiGroups"]), tuple(rule["resources"]), tuple(rule["verbs"])) for rule in role["rules"]}
    assert granted == {((rule.group,), rule.resources, rule.verbs) for rule in spec.rules}


@pytest.mark.parametrize("spec", WRITING, ids=of_kind)
def test_its_fence_is_the_admission_policy(spec: ActionSpec) -> None:
    policy = documents("ValidatingAdmissionPolicy")[f"observer-{spec.role}"]
    fences = {(" ".join(one["expression"].split()), one["message"]) for one in policy["spec"]["validations"]}
    assert fences == {(fence.expression, fence.message) for fence in spec.fences}
    assert policy["spec"]["failurePolicy"] == "Fail"


def test_no_policy_is_left_over() -> None:
    assert set(documents("ValidatingAdmissionPolicy")) == {f"observer-{spec.role}" for spec in WRITING}
