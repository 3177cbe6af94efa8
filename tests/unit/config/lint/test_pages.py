"""Each check has its page, and the page's examples do what it says of them: the first is found, the second is not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from observer.config.lint.check import Check, Severity
from observer.config.lint.registry import OFFLINE, lint
from observer.config.lint.subject import Subject
from observer.config.openslo.documents import parse_documents
from observer.config.policies.read import Source, read
from observer.domain.settings import GuardSettings

ROOT = Path(__file__).parents[4]
PAGES = ROOT / "docs" / "checks"
NOW = 1_780_000_000.0


def examples(check: Check) -> tuple[str, str]:
    text = (ROOT / check.page).read_text()
    found, instead = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found, instead


def findings(text: str) -> dict[str, list[str]]:
    documents = parse_documents(text, "example.yaml")
    refused = frozenset(GuardSettings().refused_namespaces)
    policies, faults = read(Source("example.yaml", text))
    assert faults == []
    given = [replace(policy, own=not policy.name.startswith("profile-")) for policy in policies]
    subject = Subject(documents, NOW, policies=given, refused=refused)
    told: dict[str, list[str]] = {}
    for one in lint(subject):
        told.setdefault(one.check, []).append(str(one.fault))
    return told


@pytest.mark.parametrize("check", OFFLINE, ids=[check.id for check in OFFLINE])
def test_the_pages_example_is_found_and_its_mended_form_is_clean(check: Check) -> None:
    found, instead = examples(check)

    told = findings(found)
    assert list(told) == [check.id]
    assert all(re.match(r"example\.yaml:[1-9]\d*:[1-9]\d* [\w.\[\]/-]+: ", line) for line in told[check.id])
    assert findings(instead) == {}


@pytest.mark.parametrize("check", OFFLINE, ids=[check.id for check in OFFLINE])
def test_the_page_tells_id_severity_and_title(check: Check) -> None:
    text = (ROOT / check.page).read_text()

    assert text.startswith(f"# {check.id}\n\n*{check.severity.value}*: {check.title}.\n")
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", check.id)
    assert check.severity in set(Severity)


def test_ids_are_unique() -> None:
    ids = [check.id for check in OFFLINE]

    assert len(set(ids)) == len(ids)
