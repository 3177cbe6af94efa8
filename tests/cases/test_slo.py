"""Objectives as other tools write them: what one command accepts the next takes, or the first says why not."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from observer.engine.slo.buckets import CountStore
from tests.cases.commands import FILES, call, told
from tests.cases.mesh import Labels, hand_mesh
from tests.cases.rows import case, wrong

SLO = FILES / "slo"
DAY = 86_400.0


def converted(folder: Path, *files: str) -> tuple[int, Path]:
    """Exit code of ``observer convert``, and where its output lies."""
    done = call("convert", *(SLO / file for file in files))
    path = folder / "converted.yaml"
    path.write_text("".join(line for line in done.stdout.splitlines(True) if not line.startswith("note:")))
    return done.exit_code, path


@pytest.mark.parametrize(
    "file",
    [
        case("window_28d.yaml"),
        case("window_7d.yaml", row="S1", kind="what one command accepts another refuses"),
        case("window_12h.yaml", row="S1", kind="what one command accepts another refuses"),
        case("long_name.yaml", row="S2", kind="names are cut without being kept apart"),
    ],
)
def test_what_convert_takes_is_checked_and_makes_rules(file: str, tmp_path: Path) -> None:
    code, path = converted(tmp_path, file)
    assert code == 0

    assert call("check", path).exit_code == 0
    assert call("rules", path, "-o", tmp_path / "rules").exit_code == 0


@wrong("S3", "a limit that is not told")
def test_a_window_longer_than_what_is_kept_is_counted_whole_or_refused() -> None:
    days = 730
    store, rows = CountStore(1), np.array([0])
    for day in range(days + 70, 0, -1):
        store.add(1_790_000_000.0 - day * DAY, rows, np.array([999.0]), np.array([1000.0]))
    _, total = store.window(1_790_000_000.0, days * DAY)

    assert call("check", SLO / "window_2y.yaml").exit_code != 0 or total[0] >= 0.99 * days * 1000


@wrong("S4", "what one command accepts another refuses")
def test_the_same_objective_of_two_namespaces_is_told_apart_or_refused(tmp_path: Path) -> None:
    code, path = converted(tmp_path, "sloth_shop.yaml", "sloth_pay.yaml")

    assert code != 0 or call("check", path).exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        case("convert", row="S5", kind="a foreign kind is judged by our schema"),
        case("check", row="S5", kind="a foreign kind is judged by our schema"),
    ],
)
def test_each_document_of_a_sequence_is_read(command: str) -> None:
    assert call(command, SLO / "sequence.yaml").exit_code == 0


@pytest.mark.parametrize(
    "file",
    [
        case("kustomization.yaml", row="S5", kind="a foreign kind is judged by our schema"),
        case("prometheusrule.yaml", row="S5", kind="a foreign kind is judged by our schema"),
    ],
)
def test_a_foreign_document_is_named_in_one_line(file: str) -> None:
    done = call("check", SLO / "folder" / file)

    assert (done.stdout + done.stderr).count("[error") <= 1
    assert "HealthPolicy" not in told(done)


@wrong("S5", "a foreign kind is judged by our schema")
def test_foreign_documents_in_a_folder_of_policies_are_passed_over() -> None:
    assert call("check", SLO / "folder").exit_code == 0


@pytest.mark.parametrize(
    "service",
    [
        case("catalog"),
        case("rel-catalog", row="S6", kind="the Service's name is taken for the canonical service"),
    ],
)
async def test_rule_files_count_the_traffic_that_the_daemon_counts(service: str, tmp_path: Path) -> None:
    """A chart calls its Service otherwise than its app label."""

    def named(labels: Labels) -> Labels:
        if labels["destination_service_name"] != "catalog":
            return labels
        return labels | {
            "destination_service_name": service,
            "destination_service": f"{service}.shop.svc.cluster.local",
        }

    assert call("rules", "-s", "shop/catalog", "-o", tmp_path).exit_code == 0
    written = "".join(path.read_text() for path in tmp_path.rglob("*.yaml"))
    selectors = sorted(set(re.findall(r"istio_requests_total\{[^}]*\}", written)))
    assert selectors

    async with hand_mesh(series=named) as mesh, aiohttp.ClientSession() as session:
        mesh.pass_time(5.0, lambda: mesh.everybody_answers(25.0))
        counted = 0.0
        for selector in selectors:
            parameters = {"query": f"count({selector})", "time": str(mesh.now)}
            async with session.get(f"{mesh.settings().url}/api/v1/query", params=parameters) as answer:
                result = (await answer.json())["data"]["result"]
            counted += sum(float(sample["value"][1]) for sample in result)

    assert counted > 0
