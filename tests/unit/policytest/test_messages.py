"""Every fault of a test file at its place, and all of them at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from observer.config.policies.load import compile_set, policy_files, read_sources
from observer.config.settings.read import default
from observer.domain.errors import ConfigError
from observer.policytest.keys import schema
from observer.policytest.read import read_tests
from observer.policytest.rulebook import read_file, rules_for

GOLDEN = Path(__file__).parents[2] / "golden" / "testing"


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


def test_tests_are_no_policies_and_a_folder_of_them_is_passed_over(tmp_path: Path) -> None:
    text = "apiVersion: observer.dev/v1alpha1\nkind: PolicyTest\ntests: []\n"
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    for name in ("tests/one.yaml", "tests/deep/two.yaml", "three.yaml"):
        (tmp_path / name).write_text(text)

    files = policy_files([str(tmp_path)])

    assert [file.path for file in files] == [tmp_path / "three.yaml"]
    with pytest.raises(ConfigError) as caught:
        compile_set(read_sources(files), default())
    told = "is a test of policies and no policy (observer test runs it; in a folder named tests it is passed over)"
    assert str(caught.value) == f"{tmp_path / 'three.yaml'}:2:7 kind: {told}"
    assert [file.path for file in policy_files([str(tmp_path / "tests")])] != []


def test_the_schema_knows_every_key() -> None:
    body: Any = schema()

    assert set(body["properties"]) == {"apiVersion", "kind", "rules", "settings", "tests"}
    assert set(body["$defs"]["ExpectationKeys"]["properties"]) >= {"at", "before", "verdict", "objective", "alert"}
