"""Every message of the reader, recorded: all faults of a file at once, each with its place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from observer.config.openslo.assemble import objectives
from observer.config.openslo.documents import load_documents, parse_documents
from observer.domain.errors import ConfigError

GOLDEN = Path(__file__).parents[3] / "golden" / "openslo"
NOW = 1_780_000_000.0


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_messages_are_as_recorded(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        objectives(parse_documents((GOLDEN / f"{name}.yaml").read_text(), f"{name}.yaml"), at=NOW)

    assert str(caught.value) + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.yaml").write_text("kind: SLO\n")
    (tmp_path / "b" / "c.yml").write_text("apiVersion: openslo/v1\nkind: Sli\n")
    (tmp_path / "b" / "d.txt").write_text("not read: [")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / ".hidden.yaml").write_text("kind: SLO\n")

    with pytest.raises(ConfigError) as caught:
        load_documents([tmp_path, tmp_path / "missing.yaml"])

    lines = str(caught.value).splitlines()
    assert [line.removeprefix(str(tmp_path)) for line in lines] == [
        "/a.yaml:1:1 apiVersion: is missing (apiVersion: openslo/v1)",
        (
            "/b/c.yml:2:7 kind: must be one of DataSource, SLO, SLI, AlertPolicy, AlertCondition, "
            "AlertNotificationTarget, Service"
        ),
        "/latin.yaml:2:1: is not UTF-8 text",
        "/missing.yaml: cannot be read: No such file or directory",
    ]


def test_documents_of_observers_own_kinds_are_handed_on() -> None:
    documents = parse_documents("apiVersion: observer.dev/v1alpha1\nkind: HealthPolicy\n")

    assert [one.data for one in documents.others] == [{"apiVersion": "observer.dev/v1alpha1", "kind": "HealthPolicy"}]
    assert documents.plain() == []
