"""``observer dashboards`` as people call it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from observer.cli.main import app, main
from observer.dashboards.catalogue import files, shipped
from observer.domain import names
from tests.support.fake_grafana import TOKEN, FakeGrafana
from tests.support.ports import free_port

OBJECTIVES = Path(__file__).parents[3] / "rules" / "objectives.yaml"


def ran(*words: object) -> Any:
    done = CliRunner().invoke(app, ["dashboards", "--json", *map(str, words)])
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def test_it_writes_what_is_in_the_tree(tmp_path: Path) -> None:
    body = ran("-o", tmp_path / "a")

    assert {path.name: path.read_text() for path in (tmp_path / "a").iterdir()} == files(shipped())
    assert body["files"] == sorted(files(shipped()))


def test_objectives_get_a_page_each(tmp_path: Path) -> None:
    body = ran("--objective", OBJECTIVES, "-s", "shop/cart", "-s", "pay/api", "--cluster", "east", "-o", tmp_path)

    pages = [json.loads((tmp_path / name).read_text()) for name in body["files"] if name.endswith(".json")]
    assert len(pages) == 8
    assert "Observer / SLO east/shop/mesh-availability.cart" in {page["title"] for page in pages}
    assert len({page["uid"] for page in pages}) == 8


def test_config_maps_carry_what_the_sidecar_looks_for(tmp_path: Path) -> None:
    body = ran("-o", tmp_path, "--configmap", "monitoring")

    assert body["files"] == ["observer-dashboards.configmaps.yaml"]
    maps = list(yaml.safe_load_all((tmp_path / body["files"][0]).read_text()))
    assert len(maps) == len(shipped())
    for one, board in zip(maps, shipped(), strict=True):
        assert (one["apiVersion"], one["kind"]) == ("v1", "ConfigMap")
        assert one["metadata"]["namespace"] == "monitoring"
        assert one["metadata"]["labels"] == {names.GRAFANA_SIDECAR: "1"}
        assert one["metadata"]["annotations"] == {names.GRAFANA_FOLDER: "Observer"}
        [(name, text)] = one["data"].items()
        assert text == files(shipped())[name] and name == f"{board.uid}.json"
        assert len(text.encode()) < 1 << 20


def test_provisioning_names_where_grafana_finds_them(tmp_path: Path) -> None:
    ran("-o", tmp_path, "--provisioning", "/var/lib/grafana/dashboards/observer", "--folder", "obs")

    body = yaml.safe_load((tmp_path / "observer-dashboards.provider.yaml").read_text())
    [one] = body["providers"]
    assert body["apiVersion"] == 1 and one["type"] == "file" and one["folderUid"] == "obs"
    assert one["options"]["path"] == "/var/lib/grafana/dashboards/observer"


def test_every_query_can_be_listed() -> None:
    rows = ran("--queries")

    assert {row["dashboard"] for row in rows} == {board.uid for board in shipped()}
    assert all(set(row) == {"dashboard", "panel", "expr", "needs_event", "event"} for row in rows)


@pytest.fixture
def grafana() -> Iterator[tuple[FakeGrafana, str]]:
    """A Grafana in a thread of its own: the command brings its own loop."""
    fake, loop = FakeGrafana(), asyncio.new_event_loop()
    server = loop.run_until_complete(fake.started())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield fake, f"http://127.0.0.1:{server.port}"
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_it_publishes_all_of_them_once(grafana: tuple[FakeGrafana, str], tmp_path: Path) -> None:
    fake, url = grafana
    token = tmp_path / "token"
    token.write_text(TOKEN)

    first = ran("--publish", url, "--token-file", token)
    second = ran("--publish", url, "--token-file", token)

    assert first["api"] == "v1beta1" and set(first["dashboards"].values()) == {"created"}
    assert set(second["dashboards"].values()) == {"unchanged"}
    assert set(fake.dashboards) == {board.uid for board in shipped()}
    assert {one["folder"] for one in fake.dashboards.values()} == {"observer"}


def refused(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["observer", "dashboards", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_wrong_token_is_told_and_not_shown(
    grafana: tuple[FakeGrafana, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = tmp_path / "token"
    token.write_text("glsa_wrong_secret")

    assert refused(["--publish", grafana[1], "--token-file", str(token)], monkeypatch) == 4
    said = capsys.readouterr()
    assert "401" in said.err and "glsa_wrong_secret" not in said.err + said.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "one of --out FOLDER, --publish URL or --queries is required"),
        (["-o", "out", "--token-file", "t"], 2, "--token-file: only with --publish"),
        (["--publish", "http://h", "--configmap", "x"], 2, "only with --out FOLDER"),
        (["-o", "out", "-s", "shop/cart"], 2, "--service: needs --objective FILE"),
        (["-o", "out", "--objective", "nowhere.yaml"], 2, "nowhere.yaml: cannot be read"),
        (["-o", "file/below"], 2, "--out file/below: "),
        (["--publish", "http://h", "--token-file", "nowhere"], 2, "--token-file nowhere: no such file"),
        (["--publish", "http://h", "--ca-file", "nowhere"], 2, "--ca-file nowhere: no such file"),
        (["--publish", "grafana"], 2, "--publish 'grafana': expected http://HOST:PORT"),
        (["--publish", f"http://127.0.0.1:{free_port()}"], 4, "grafana: http://127.0.0.1:"),
    ],
)
def test_what_cannot_be_done_is_told(
    words: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("no folder")

    assert refused(words, monkeypatch) == code
    assert told in capsys.readouterr().err
    assert not Path("out").exists()
