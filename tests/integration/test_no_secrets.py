"""A secret in every file that the settings name, and none in anything that Observer tells or keeps."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest

from observer.app.sources import examine_sources
from observer.cli.doctor import rows
from observer.cli.doctor import text as doctor_text
from observer.config.settings.model import Settings
from observer.config.settings.notifications import NotifyKind, NotifySettings
from observer.config.settings.sources import HttpAuth
from observer.domain.action import Mode
from observer.domain.settings import declared
from observer.simulator.clock import SimClock
from observer.simulator.mesh.faults import pod_errors
from observer.simulator.scenarios.world import World
from tests.support.fake_grafana import FakeGrafana
from tests.support.running_daemon import running, settings_for, status

pytestmark = pytest.mark.integration

PATIENCE = 120.0
BASIC = {"jaeger"}
"""Sections that log in with name and password here, the others with a token."""
PUBLIC = {"ca_file", "cert_file", "client_ca_file", "template_file"}
NOT_READ = {"key_file"}
"""Opened by the TLS library itself, which hands nothing of it to anybody."""


def file_keys(kind: type, prefix: str = "") -> Iterator[str]:
    """Every key of the settings that names a file with a secret, dotted."""
    for item in declared(kind):
        inner = get_args(item.hint)[0]
        if is_dataclass(inner) and isinstance(inner, type):
            yield from file_keys(inner, f"{prefix}{item.name}.")
        elif item.name.endswith("_file") and item.name not in PUBLIC | NOT_READ:
            yield f"{prefix}{item.name}"


class Garden:
    """Plants one secret a key, each another, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.planted: dict[str, str] = {}

    def secret(self, key: str) -> str:
        """The file of a fresh secret."""
        self.planted[key] = f"canary-{len(self.planted)}-of-{key.replace('.', '-').replace('_', '-')}"
        file = self.folder / key
        # An address may be the secret; nobody answers at this one.
        before = "http://127.0.0.1:9/" if key.endswith("url_file") else ""
        file.write_text(f"{before}{self.planted[key]}\n")
        return str(file)

    def grown(self, settings: Any, prefix: str = "") -> Any:
        """The same settings with every such file; of a login only one of its two ways."""
        changes: dict[str, Any] = {}
        for one in fields(settings):
            key, value = f"{prefix}{one.name}", getattr(settings, one.name)
            if isinstance(value, HttpAuth):
                changes[one.name] = self._login(f"{key}.", basic=one.name != "auth" or prefix[:-1] in BASIC)
            elif is_dataclass(value) and declared(value.__class__):
                changes[one.name] = self.grown(value, f"{key}.")
            elif isinstance(value, tuple) and any(is_dataclass(item) for item in value):
                changes[one.name] = tuple(self.grown(item, f"{key}.") for item in value)
            elif one.name.endswith("_file") and one.name not in PUBLIC | NOT_READ:
                changes[one.name] = self.secret(key)
        return replace(settings, **changes)

    def _login(self, prefix: str, *, basic: bool) -> HttpAuth:
        if basic:
            return HttpAuth(username="observer", password_file=self.secret(f"{prefix}password_file"))
        return HttpAuth(bearer_file=self.secret(f"{prefix}bearer_file"))


async def got(session: aiohttp.ClientSession, url: str, **more: Any) -> str:
    async with session.request(more.pop("method", "GET"), url, **more) as answer:
        return f"{answer.status} {dict(answer.headers)} {await answer.text()}"


async def api_answers(settings: Settings, wrong: str) -> dict[str, str]:
    """What the listener says, to those who may ask and to those who may not."""
    base = f"http://{settings.listen}"
    async with aiohttp.ClientSession() as session:
        found = {
            path: await got(session, base + path)
            for path in ("/metrics", "/api/v1/status", "/api/v1/decisions", "/readyz")
        }
        for name, headers in {
            "bearer": {"Authorization": f"Bearer {wrong}"},
            "basic": {"Authorization": f"Basic {base64.b64encode(f'observer:{wrong}'.encode()).decode()}"},
            "nothing": {},
        }.items():
            url = f"{base}/api/v1/alerts"
            found[f"webhook {name}"] = await got(session, url, method="POST", headers=headers, data=wrong)
    return found


@pytest.mark.timeout(400)
async def test_no_secret_is_told_or_kept(tmp_path: Path) -> None:
    home, hidden = tmp_path / "home", tmp_path / "hidden"
    home.mkdir()
    hidden.mkdir()
    garden, log, grafana = Garden(hidden), io.BytesIO(), FakeGrafana(repeats=True)
    garden.planted["kubeconfig"] = "canary-of-the-kubeconfig"
    garden.planted["wrong"] = "canary-that-a-stranger-presents"
    async with await grafana.started() as server, World(seed=7, clock=SimClock(speed=1.0), history=120.0) as world:
        plain = await settings_for(world, home, mode=Mode.ENFORCE, token=garden.planted["kubeconfig"])
        people = NotifySettings(kind=NotifyKind.SLACK, severity="info", group_wait=0.0, patience=0.0)
        settings: Settings = garden.grown(replace(plain, notify=(people,)))
        settings = replace(
            settings,
            log_level="debug",
            grafana=replace(settings.grafana, url=f"http://127.0.0.1:{server.port}"),
            webhook=replace(settings.webhook, enabled=True, username="observer"),
            recording=replace(settings.recording, path=str(home / "recordings")),
        )
        wanted = set(file_keys(Settings))
        either = {
            key for key in wanted if key.rpartition(".")[2] in ("bearer_file", "password_file") and ".auth." in key
        }
        assert wanted - either | {"notify.url_file", "cloudevents.url_file"} <= set(garden.planted)
        assert {key.rpartition(".")[0] for key in either} <= {
            key.rpartition(".")[0] for key in garden.planted if ".auth." in key
        }
        # What servers repeat of what they were sent.
        world.prometheus.misbehaviour.error = ("execution", f"you sent {garden.planted['prometheus.auth.bearer_file']}")
        async with running(settings, log):
            await status(settings, lambda it: bool(it["gaps"]), PATIENCE)
            world.prometheus.misbehaviour.error = None
            await status(settings, lambda it: it["complete_ticks"] >= 6, PATIENCE)
            world.inject(pod_errors(world.pods_of("catalog")[0], 0.5))
            await status(settings, lambda it: bool(it["incidents"]), PATIENCE)
            told = await api_answers(settings, garden.planted["wrong"])
            findings = await examine_sources(settings)
        told["doctor"] = doctor_text(findings) + json.dumps(rows(findings))
        told["events"] = json.dumps(world.store.list("events"))
        told["log"] = log.getvalue().decode()
    told |= {str(path): path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file()}

    assert "suspected" in told["/api/v1/decisions"] and "Suspected" in told["events"]
    assert "grafana" in told["doctor"] and "[redacted]" in told["log"] and "[redacted]" in told["doctor"]
    assert {"journal.db", "audit.jsonl"} <= {Path(name).name for name in told}
    assert told["webhook nothing"].startswith("401") and told["webhook bearer"].startswith("401")
    assert world.prometheus.headers.get("Authorization") == f"Bearer {garden.planted['prometheus.auth.bearer_file']}"
    assert grafana.requests, "secrets that nobody sends prove nothing"
    for name, text in told.items():
        for key, secret in garden.planted.items():
            assert secret not in text, f"the secret of {key} stands in {name}"
