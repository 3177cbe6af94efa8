"""Asking the daemon: every way it can fail says what to do next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from observer.cli.api_client import ApiClient, client_of
from observer.cli.failures import ApiError, DaemonUnreachable
from observer.config.settings.model import Settings, TlsSettings
from observer.domain.action import Mode
from observer.domain.errors import ConfigError
from observer.web.models.answers import Overview, Status
from tests.support.scripted_api import daemon


async def test_it_shows_its_token_and_reads_json() -> None:
    async with daemon(token="s3cret") as there:
        client = ApiClient(there.url, token="s3cret")
        assert (await client.get("/api/v1/status", Status)).mode is Mode.SHADOW
        assert (await client.get("/api/v1/overview", Overview, {"q": "pay"})).tick == 512
    assert there.asked[-1] == ("/api/v1/overview", {"q": "pay"})


@pytest.mark.parametrize(
    ("changes", "message", "step"),
    [
        ({"token": "x"}, "asks who you are", "--token-file"),
        ({"status": 403}, "does not let you read this", "--token-file"),
        ({"status": 503}, "no tick has ended yet", "first tick"),
        ({"text": "<html>welcome"}, "not as Observer", "--url"),
        ({"text": "42"}, "not as Observer", "--url"),
        ({"status": 404, "text": "nothing here"}, "HTTP 404", "--url"),
        ({"status": 400}, "HTTP 400", "--url"),
    ],
)
async def test_an_answer_that_helps_nobody(changes: dict[str, object], message: str, step: str) -> None:
    async with daemon(**changes) as there:
        with pytest.raises(ApiError, match=message) as caught:
            await ApiClient(there.url).get("/api/v1/status", Status)
    assert step in caught.value.step and not isinstance(caught.value, DaemonUnreachable)


async def test_nobody_there() -> None:
    with pytest.raises(DaemonUnreachable, match="connection refused") as caught:
        await ApiClient("http://127.0.0.1:1", namespace="watch").get("/api/v1/status", Status)
    assert "observer run" in caught.value.step and "kubectl -n watch port-forward" in caught.value.step
    with pytest.raises(DaemonUnreachable, match="no address"):
        await ApiClient("").get("/api/v1/status", Status)


async def test_a_token_is_never_part_of_an_error() -> None:
    with pytest.raises(DaemonUnreachable) as caught:
        await ApiClient("http://127.0.0.1:1", token="s3cret").get("/api/v1/status", Status)
    assert "s3cret" not in f"{caught.value}{caught.value.step}{caught.value.__cause__}"


async def test_a_file_that_holds_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--ca-file"):
        await ApiClient("https://127.0.0.1:1", ca_file=str(tmp_path / "none.pem")).get("/", Status)


@pytest.mark.parametrize(
    ("listen", "tls", "url"),
    [
        ("0.0.0.0:8090", "", "http://127.0.0.1:8090"),
        ("127.0.0.1:9", "", "http://127.0.0.1:9"),
        ("observer.svc:443", "cert.pem", "https://observer.svc:443"),
        ("127.0.0.1:0", "", ""),
    ],
)
def test_without_an_option_it_is_where_the_daemon_listens(listen: str, tls: str, url: str) -> None:
    settings = replace(Settings(), listen=listen, tls=TlsSettings(cert_file=tls))
    client = client_of(settings)
    assert client.url == url and not client.named


def test_options_come_first(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc\n")
    client = client_of(Settings(), "https://there:1/", str(token))
    assert (client.url, client.named, client.token) == ("https://there:1", True, "abc")


@pytest.mark.parametrize("url", ["there:8090", "ftp://there", "http://"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="http://HOST:PORT"):
        client_of(Settings(), url)


def test_a_token_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, why in (("none", "cannot be read"), ("empty", "is empty"), ("binary", "no text")):
        with pytest.raises(ConfigError, match=why):
            client_of(Settings(), token_file=str(tmp_path / name))
