"""Whatever goes wrong, a person is told what it was and what to do next, with the exit code that stands for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from observer.cli.failures import described
from observer.domain.errors import AuditBroken, ConfigError, JournalUnavailable, RecordingError, SourceUnavailable
from tests.support.command_line import CommandResult, said
from tests.support.journals import write_night
from tests.support.scripted_api import threaded

Run = Callable[..., CommandResult]
ASKING = (("status",), ("top",))
READING = (("incidents",), ("why", "pod/shop/cart-1"), ("report",))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with settings of its own: a journal with a night in it, a listener that nobody serves."""
    for name in ("OBSERVER_URL", "OBSERVER_TOKEN_FILE", "OBSERVER_CA_FILE", "OBSERVER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "observer.yaml"
    config.write_text(f"journal: {write_night(tmp_path)}\nlisten: 127.0.0.1:1\naudit: {tmp_path / 'audit.jsonl'}\n")

    def one(*words: str) -> CommandResult:
        return said(monkeypatch, capsys, *words, "--config", str(config))

    return one


def helps(result: CommandResult, code: int, *words: str) -> None:
    """One message, one step, no traceback, nothing on standard output."""
    assert (result.code, result.out) == (code, ""), result
    first, *others = result.err.splitlines()
    assert first.startswith("observer: ") and "Traceback" not in result.err
    assert any(line.startswith("  -> ") for line in others), result.err
    for word in words:
        assert word in result.err


@pytest.mark.parametrize("command", ASKING)
def test_a_daemon_that_is_not_there(run: Run, command: tuple[str, ...]) -> None:
    helps(run(*command, "--url", "http://127.0.0.1:1"), 4, "connection refused", "observer run", "port-forward")


@pytest.mark.parametrize("command", ASKING)
@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({"token": "x"}, ("asks who you are", "--token-file")),
        ({"status": 403}, ("does not let you read", "--token-file")),
        ({"text": "<html>somebody else"}, ("not as Observer", "--url")),
        ({"status": 503}, ("no tick has ended yet", "observer doctor")),
    ],
)
def test_a_daemon_that_says_no(
    run: Run, command: tuple[str, ...], there: dict[str, Any], words: tuple[str, ...]
) -> None:
    with threaded(**there) as daemon:
        helps(run(*command, "--url", daemon.url), 4, *words)


@pytest.mark.parametrize("command", [*ASKING, ("report",)])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--url", "nowhere"), ("http://HOST:PORT", "--help")),
        (("--url", "http://[::1"), ("http://HOST:PORT", "--help")),
        (("--url", "https://127.0.0.1:99999"), ("http://HOST:PORT", "--help")),
        (("--token-file", "none"), ("cannot be read", "name one that is there")),
    ],
)
def test_options_that_mean_nothing(
    run: Run, command: tuple[str, ...], option: tuple[str, str], words: tuple[str, ...]
) -> None:
    helps(run(*command, *option), 2, *words)


@pytest.mark.parametrize("command", READING)
def test_a_journal_that_cannot_be_opened(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "observer.yaml").write_text("journal: sqlite+aiosqlite:////proc/nothing/journal.db\n")
    helps(run(*command), 4, "journal:", "--config")


@pytest.mark.parametrize("command", [*ASKING, *READING, ("audit", "verify"), ("doctor",), ("pause",)])
def test_settings_that_cannot_be_read(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "observer.yaml").write_text("tick: never\n")
    helps(run(*command), 2, "observer.yaml:1:", "observer check")


def test_a_daemon_that_does_not_answer_costs_status_and_report_only_a_word(run: Run) -> None:
    found = run("status")
    assert found.code == 0 and "does not answer: connection refused" in found.out and "bank/pay-2" in found.out
    assert "-> is it running?" in found.out
    found = run("report", "--since", "2020-01-01T00:00Z")
    assert found.code == 0 and "the daemon did not answer" in found.out


def test_top_prints_once_where_nobody_watches(run: Run) -> None:
    with threaded() as daemon:
        found = run("top", "--url", daemon.url)
    assert found.code == 0 and "OPEN INCIDENTS" in found.out and "\x1b" not in found.out


def test_a_report_goes_into_a_file_and_says_where_it_cannot(run: Run, tmp_path: Path) -> None:
    assert run("report", "--format", "html", "--out", str(tmp_path / "r.html")).code == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    helps(run("report", "--out", str(tmp_path / "none" / "r.txt")), 2, "cannot be written")
    helps(run("report", "--json", "--format", "html"), 2, "contradict")


@pytest.mark.parametrize(
    ("exc", "code", "step"),
    [
        (ConfigError("a.yaml:1:1: bad"), 2, "observer check"),
        (ConfigError("--since 3: bad"), 2, "--help"),
        (JournalUnavailable("gone"), 4, "--config"),
        (AuditBroken("cut"), 4, "audit verify"),
        (RecordingError("cut"), 2, "observer record"),
        (SourceUnavailable("gone"), 4, "observer doctor"),
    ],
)
def test_every_kind_of_failure_has_its_step(exc: Any, code: int, step: str) -> None:
    message, found, what = described(exc)
    assert found == code and step in what and str(exc) in message


@pytest.mark.parametrize("text", [None, "root:x:0:0"])
def test_a_recording_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    file = tmp_path / "some.rec"
    if text is not None:
        file.write_text(text)
    helps(said(monkeypatch, capsys, "page", "--recording", str(file)), 2, str(file), "name another file")


@pytest.mark.parametrize(("words", "why"), [(("shop",), "NAMESPACE/POD"), (("shop/x", "--for", "1h"), "at most")])
def test_a_silence_that_cannot_be_is_refused_before_anybody_is_asked(
    run: Run, words: tuple[str, ...], why: str
) -> None:
    helps(run("silence", *words), 2, why)


def test_outside_a_cluster_a_kubeconfig_is_asked_for() -> None:
    assert "kubernetes.kubeconfig" in described(ConfigError("kubernetes: not usable from inside a pod: not set"))[2]


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (("pause", "--reason", "{}"), "--reason"),
        (("silence", "shop/cart-1", "--yes", "--alertmanager", "http://127.0.0.1:1", "--reason", "{}"), "--reason"),
        (("silence", "shop/{}", "--yes"), "POD"),
        (("undo", "shop/{}"), "POD"),
        (("approve", "{}"), "INCIDENT"),
        (("approve", "1f", "--plan", "{}"), "--plan"),
    ],
)
@pytest.mark.parametrize(("odd", "why"), [("a\x1b[2J", "U+001B"), ("a\udcff", "U+DCFF"), ("x" * 501, "too many")])
def test_words_that_steer_or_flood_what_others_read(
    run: Run, command: tuple[str, ...], field: str, odd: str, why: str
) -> None:
    helps(run(*(word.format(odd) for word in command)), 2, f"observer: {field}: ", why, "--help")


@pytest.mark.parametrize("command", [("pause",), ("resume",)])
def test_a_login_name_that_is_none(run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setenv("USER", "ann\nben")
    helps(run(*command), 2, "$USER: character 4 is U+000A")
