"""Every fault of a test file at its place, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from observer.config.testing.read import read_tests
from observer.config.testing.rulebook import read_file, rules_for
from observer.domain.errors import ConfigError

GOLDEN = Path(__file__).parents[3] / "golden" / "testing"


@pytest.mark.parametrize("name", ["structure", "meaning"])
def test_messages_are_as_recorded(name: str) -> None:
    text = (GOLDEN / f"{name}.yaml").read_text()

    tests, faults = read_tests(text, f"{name}.yaml")

    assert tests == []
    assert "".join(f"{fault}\n" for fault in sorted(set(faults))) == (GOLDEN / f"{name}.txt").read_text()


def test_faults_of_the_rules_are_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    told = []
    for test in read_file(Path("together.yaml")):
        with pytest.raises(ConfigError) as caught:
            rules_for(test, test.scenarios[0].start, None)
        told.append(str(caught.value))

    assert "\n\n".join(told) + "\n" == Path("together.txt").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "t.yaml: holds no test (apiVersion: observer.dev/v1alpha1, kind: PolicyTest)"),
        ("kind: HealthPolicy\n", "t.yaml: holds no test (apiVersion: observer.dev/v1alpha1, kind: PolicyTest)"),
        ("- a\n", "t.yaml:1:1: must be a mapping (kind: PolicyTest)"),
        ("a: [\n", "t.yaml:2:1: not YAML: while parsing a flow node: did not find expected node content"),
    ],
)
def test_a_file_without_tests_is_no_test_file(text: str, told: str) -> None:
    assert [str(fault) for fault in read_tests(text, "t.yaml")[1]] == [told]
