"""What people write and read: misspelt words, two modes at once, approvals that nobody gives, the README's example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cases.commands import FILES, call, told
from tests.cases.rows import case, wrong

ROOT = FILES.parents[1]
ENFORCED = """\
apiVersion: observer.dev/v1alpha1
kind: HealthPolicy
metadata: {name: shop}
spec:
  selector: {namespaces: {names: [shop]}}
  mode: enforce
"""

SCENARIO = """\
apiVersion: observer.dev/v1alpha1
kind: PolicyTest
rules: [shipped]
tests:
  - name: never a drain and never for suspicion
    namespaces: {shop: {observer.dev/enabled: "true"}}
    workloads: {shop/cart: {replicas: 4}}
    expect:
      - {before: 9m, EXPECTED}
"""


@pytest.mark.parametrize(
    ("expected", "meant"),
    [
        case("count: 0, kind: drian", "drain"),
        case("count: 0, reason: suspicon", "suspicion"),
    ],
)
def test_a_misspelt_word_in_a_scenario_is_refused_with_its_place(expected: str, meant: str, tmp_path: Path) -> None:
    path = tmp_path / "misspelt.yaml"
    path.write_text(SCENARIO.replace("EXPECTED", expected))
    done = call("test", path)

    assert done.exit_code == 2
    assert f"{path}:9:" in told(done)
    assert f"did you mean {meant}" in told(done)


@wrong("P2", "one of two modes is told as the whole")
def test_check_says_which_policies_enforce_where_the_settings_are_in_shadow(tmp_path: Path) -> None:
    (tmp_path / "enforced.yaml").write_text(ENFORCED)
    settings = tmp_path / "observer.yaml"
    settings.write_text(
        f"mode: shadow\nprometheus: {{url: 'http://127.0.0.1:9'}}\npolicies: [shipped, {tmp_path}/enforced.yaml]\n"
    )
    done = call("check", "-c", settings)

    assert done.exit_code == 0
    assert "nothing is written" not in told(done)


@wrong("P3", "a loop that no counter ends")
def test_an_approval_that_nobody_gives_pages_once() -> None:
    done = call("test", FILES / "policies" / "unattended" / "half_hour.yaml")

    assert done.exit_code == 0


@wrong("P4", "a document that was not run")
def test_the_policy_that_the_readme_shows_is_clean(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    fenced = re.search(r"```(?:yaml)?\n((?:(?!```).)*kind: HealthPolicy.*?)```", text, re.DOTALL)
    indented = re.search(r"((?:^ {4}.*\n|^\n)*^ {4}kind: HealthPolicy\n(?:^ {4}.*\n|^\n)*)", text, re.MULTILINE)
    found = fenced or indented
    assert found is not None
    policy = found.group(1).strip("\n")
    (tmp_path / "first.yaml").write_text(re.sub("(?m)^ {4}", "", policy) if fenced is None else policy)
    done = call("check", tmp_path / "first.yaml")

    assert done.exit_code == 0, told(done)
