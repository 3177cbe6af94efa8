"""A real Alertmanager on the loopback interface, restarted at will."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = "prometheus-alertmanager"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Alertmanager:
    """One process with its storage; ``receiver`` is the webhook's configuration as Alertmanager reads it."""

    folder: Path
    receiver: dict[str, Any]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start and wait until it is ready."""
        timing = {"group_by": ["alertname"], "group_wait": "10ms", "group_interval": "1s", "repeat_interval": "1h"}
        config = {
            "route": {"receiver": "observer", **timing},
            "receivers": [{"name": "observer", "webhook_configs": [self.receiver]}],
        }
        (self.folder / "alertmanager.yml").write_text(json.dumps(config))  # JSON is YAML
        with (self.folder / "alertmanager.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                PROGRAM,
                f"--config.file={self.folder / 'alertmanager.yml'}",
                f"--storage.path={self.folder / 'storage'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
                "--log.level=debug",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
        async with aiohttp.ClientSession() as session:
            while True:
                assert self.process.returncode is None, (self.folder / "alertmanager.log").read_text()
                try:
                    async with session.get(f"{self.url}/-/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        self.process = None

    async def send(self, *labels: dict[str, str], resolved: bool = False, starts: str = "") -> None:
        """Post alerts to it, as Prometheus would."""
        now = datetime.now(UTC)
        begin = starts or (now - timedelta(seconds=30)).isoformat()
        end = now - timedelta(seconds=1) if resolved else now + timedelta(hours=1)
        body: Sequence[dict[str, Any]] = [
            {"labels": one, "startsAt": begin, "endsAt": end.isoformat(), "generatorURL": "http://prometheus"}
            for one in labels
        ]
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/api/v2/alerts", json=body) as answer:
            assert answer.status == 200, await answer.text()
