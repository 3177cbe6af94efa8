"""Every command with words that are wrong, missing or contradict each other: what is wrong, and what to do next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from observer.app.recorded import show_recording
from observer.cli.failures import described, sole
from observer.domain.errors import ConfigError, JournalUnavailable
from observer.runtime.supervise import Plan
from observer.web.server import Server
from tests.support.command_line import CommandResult, said

Run = Callable[..., CommandResult]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder, without settings and outside any cluster."""
    for name in (
        "OBSERVER_URL",
        "OBSERVER_TOKEN_FILE",
        "OBSERVER_CA_FILE",
        "OBSERVER_CONFIG",
        "KUBERNETES_SERVICE_HOST",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("root:x:0:0\n")
    return lambda *words: said(monkeypatch, capsys, *words)


WRONG = [
    ("undo x", "NAMESPACE/POD", "observer incidents --open"),
    ("restore", "--expired or --all", "--expired restores"),
    ("restore --all --expired", "--expired or --all", "--expired restores"),
    ("undo a/b", "kubernetes", "kubernetes.kubeconfig"),
    ("pause", "kubernetes", "kubernetes.kubeconfig"),
    ("record --out new --seconds 1", "kubernetes", "kubernetes.kubeconfig"),
    ("check --effective shop/cart --live", "kubernetes", "kubernetes.kubeconfig"),
    ("run --config nope.yaml", "--config nope.yaml: there is no such file", "name a settings file"),
    ("dashboards", "--out FOLDER", "--publish URL"),
    ("dashboards --queries --overwrite --token-file x", "--token-file, --overwrite: only with", "--publish URL"),
    ("dashboards --queries --configmap x", "--configmap: only with --out", "add --out FOLDER"),
    ("dashboards --publish nope", "--publish 'nope'", "--help"),
    ("dashboards --publish http://127.0.0.1:1 --ca-file nope", "--ca-file nope", "name a file"),
    ("dashboards --out file", "--out file", "name a folder"),
    ("rules --out out", "--service NAMESPACE/NAME", "-s shop/cart"),
    ("rules --out out --target 0.9 file", "--target", "leave it out"),
    ("check nope", "nope: there is no such file or directory", "name files or directories"),
    ("check empty", "empty: holds no YAML file", "name files or directories"),
    ("check --label a=b", "--label", "--effective NAMESPACE/WORKLOAD"),
    ("check --json --output sarif", "contradict", "leave one"),
    ("replay --policy nope file", "--policy nope: there is no such file", "name files"),
    ("test", "name test files", "--init mesh-availability"),
    ("convert empty", "empty: no document in it", "name YAML files"),
    ("convert --from x file", "--from 'x'", "leave it out"),
    ("diagnose", "nothing to diagnose", "docs/diagnose.md"),
    ("diagnose --graph file --target a --since 1", "file:1: JSON", "docs/diagnose.md"),
    ("silence a/b --alertmanager x", "--alertmanager 'x'", "--help"),
    ("silence a/b --alertmanager http://[::1", "--alertmanager", "--help"),
    ("silence a/b", "name an Alertmanager here", "--help"),
    ("approve x/y", "'x/y'", "observer approve"),
    ("approve --withdraw", "name the incident", "observer approve"),
    ("approve abc --withdraw --plan x", "contradict", "leave one"),
    ("audit verify nope", "cannot read nope", "oldest first"),
    ("audit verify file", "file: not an Observer audit log", "oldest first"),
    ("page --recording file --listen nope", "--listen must be host:port", "--help"),
    ("page --recording file --listen 0.0.0.0:1", "--listen 0.0.0.0:1", "--help"),
    ("demo --day empty", "empty: exists already", "name another file"),
    ("demo --day none/day.rec", "none is no folder", "make the folder"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "what", "step"), WRONG, ids=[one[0] for one in WRONG])
def test_what_is_wrong_is_named_and_what_to_do_follows(run: Run, words: str, what: str, step: str) -> None:
    found = run(*words.split())
    assert (found.code, found.out) == (2, ""), found
    message, _, next_step = found.err.partition("\n  -> ")
    assert message.startswith("observer: ") and "Traceback" not in found.err
    assert what in message and step in next_step


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ("dashboards --publish http://127.0.0.1:1", "the address of --publish"),
        ("silence a/b --yes --alertmanager http://127.0.0.1:1", "nothing was silenced"),
        ("approve --url http://127.0.0.1:1", "observer run"),
    ],
)
def test_who_does_not_answer_is_named_with_the_reason(run: Run, words: str, step: str) -> None:
    found = run(*words.split())
    assert (found.code, found.out) == (4, "")
    assert "http://127.0.0.1:1" in found.err and "connection refused" in found.err
    assert step in found.err.partition("\n  -> ")[2]


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Settings whose API server is not there, and whose journal is none."""
    (tmp_path / "journal.db").write_text("no database at all, however long one looks")
    (tmp_path / "kubeconfig").write_text(
        "{apiVersion: v1, kind: Config, current-context: a, users: [{name: a, user: {}}],"
        " contexts: [{name: a, context: {cluster: a, user: a}}],"
        " clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]}\n"
    )
    settings = tmp_path / "observer.yaml"
    settings.write_text(
        f"kubernetes: {{kubeconfig: '{tmp_path}/kubeconfig'}}\njournal: sqlite+aiosqlite:///{tmp_path}/journal.db\n"
    )
    return str(settings)


@pytest.mark.parametrize("words", ["incidents", "why pod/a/b", "report", "migrate"])
def test_a_journal_that_is_none_is_named(run: Run, config: str, words: str) -> None:
    found = run(*words.split(), "--config", config)
    assert (found.code, found.out) == (4, "") and "file is not a database" in found.err
    assert f"{Path(config).parent}/journal.db: the journal" in found.err and "\n  -> `journal`" in found.err


def test_what_is_logged_is_no_part_of_the_answer(run: Run, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observer.app.commands.WARM_SECONDS", 0.5)
    found = run("check", "--effective", "shop/cart", "--live", "--json", "--config", config)
    assert (found.code, found.out) == (4, ""), found
    assert "not every kind could be listed" in found.err and "kube_watch" not in found.err


def test_a_kubeconfig_that_is_none(run: Run, config: str) -> None:
    file = Path(config).parent / "kubeconfig"
    file.write_text("garbage\n")
    found = run("pause", "--config", config)
    assert found.code == 2 and f"{file}: not a usable kubeconfig: must be a mapping" in found.err


def test_a_recording_that_holds_nothing_is_no_success(
    run: Run, config: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = run("record", "--out", "file", "--config", config)
    assert found.code == 2 and "--out file: cannot be made: File exists" in found.err and "name another" in found.err

    async def ends_at_once(plan: Plan, _: asyncio.Event) -> None:
        """No tick ends."""
        for cleanup in reversed(plan.cleanups):
            await cleanup()

    monkeypatch.setattr("observer.runtime.supervise.supervise", ends_at_once)
    found = run("record", "--out", "new", "--seconds", "1", "--config", config)
    assert found.code == 2 and "nothing was recorded" in found.err and "--seconds" in found.err


def test_settings_that_the_environment_names(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSERVER_CONFIG", "gone.yaml")
    found = run("check")
    assert found.code == 2 and "$OBSERVER_CONFIG gone.yaml: there is no such file" in found.err


def test_tests_that_cannot_be_read_have_a_next_step(run: Run) -> None:
    found = run("test", "nope")
    assert found.code == 2 and "nope: cannot be read" in found.out
    assert found.out.endswith("0 passed, 0 failed, 1 fault\n  -> " + found.out.rpartition("-> ")[2])
    assert "observer test --init" in found.out


def test_a_seed_below_zero_is_refused_before_anything_is_simulated(run: Run) -> None:
    found = run("demo", "--seed", "-1")
    assert found.code == 2 and "--seed" in found.err and "Traceback" not in found.err


def test_without_a_trail_the_next_step_is_named(run: Run) -> None:
    found = run("audit", "verify")
    assert found.code == 3 and "no audit trail at" in found.out and "-> name the settings file" in found.out


async def test_a_listener_that_is_taken_is_named_before_anything_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"listen {listen}: address already in use") as caught:
            await Server(web.Application(), listen).run()
        assert "--listen" in described(caught.value)[2]
    with pytest.raises(ConfigError, match="--listen must be host:port"):
        await show_recording(tmp_path / "none.rec", "nope", asyncio.Event())


async def test_a_listener_whose_host_nobody_has() -> None:
    with pytest.raises(ConfigError, match=r"listen nobody\.invalid:1: "):
        await Server(web.Application(), "nobody.invalid:1").run()


def test_tasks_that_end_together_are_told_as_one() -> None:
    fault = ConfigError("listen 127.0.0.1:1: address already in use")
    assert sole(ExceptionGroup("a", [ExceptionGroup("b", [fault, JournalUnavailable("gone")])])) is fault
    assert sole(ExceptionGroup("a", [fault, ValueError("a bug")])) is None
