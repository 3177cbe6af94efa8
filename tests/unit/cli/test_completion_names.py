"""Names for the shell: those that the daemon says in time, and otherwise none, without a word."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from observer.cli.completion import VARIABLE, Shell, namespaces, pods, prepare, script, subjects, workloads
from tests.support.scripted_api import threaded

Names = Callable[[typer.Context, str], list[str]]


def asked(names: Names, incomplete: str, **params: Any) -> list[str]:
    return names(cast("typer.Context", SimpleNamespace(params=params)), incomplete)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OBSERVER_CONFIG", "OBSERVER_URL", "OBSERVER_TOKEN_FILE", "OBSERVER_CA_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_names_that_the_daemon_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with threaded() as daemon:
        assert asked(namespaces, "", url=daemon.url) == ["bank", "shop"]
        monkeypatch.setenv("OBSERVER_URL", daemon.url)
        assert asked(workloads, "sh") == ["shop/cart"]
        assert asked(subjects, "pod/") == ["pod/bank/pay-2"]
        assert asked(pods, "") == ["bank/pay-2"] and asked(pods, "shop") == []


@pytest.mark.parametrize("there", [{"token": "x"}, {"text": "<html>"}, {"overview": {"workloads": 7}}, {"status": 503}])
def test_names_that_cannot_be_had(there: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with threaded(**there) as daemon:
        assert asked(namespaces, "", url=daemon.url) == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("params", [{"url": "http://127.0.0.1:1"}, {"url": "nowhere"}, {"config": "/nothing/here"}])
def test_nobody_to_ask(params: dict[str, str]) -> None:
    assert asked(namespaces, "", **params) == []


@pytest.mark.parametrize(
    ("shell", "head"),
    [
        (Shell.BASH, "_observer_completion()"),
        (Shell.ZSH, "#compdef observer"),
        (Shell.FISH, "complete --command observer"),
    ],
)
def test_scripts(shell: Shell, head: str) -> None:
    assert script(shell).startswith(head) and VARIABLE in script(shell)


def test_nothing_is_prepared_where_no_shell_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr("typer._completion_classes.completion_init", lambda: called.append("yes"))
    prepare({})
    assert not called
    prepare({VARIABLE: "complete_bash"})
    assert called == ["yes"]
