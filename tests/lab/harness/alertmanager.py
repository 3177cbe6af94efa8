"""Debian's Alertmanager beside Observer in the hub: takes alerts from the lab's Prometheus, delivers the webhook."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from tests.lab.harness.cluster import eventually
from tests.lab.harness.daemon import LISTEN

ADDRESS: Final = "127.0.0.1:9093"
_PROGRAM: Final = "prometheus-alertmanager"


@contextmanager
def alertmanager(folder: Path, token: Path, inhibition: Path) -> Iterator[None]:
    """Runs with Observer as its only receiver; ``inhibition`` is the file that ``observer rules`` wrote."""
    folder.mkdir(exist_ok=True)
    receiver = {
        "url": f"http://{LISTEN}/api/v1/alerts",
        "http_config": {"authorization": {"type": "Bearer", "credentials_file": str(token)}},
    }
    timing = {"group_by": ["slo_id"], "group_wait": "1s", "group_interval": "5s", "repeat_interval": "1h"}
    config = {
        "route": {"receiver": "observer", **timing},
        "receivers": [{"name": "observer", "webhook_configs": [receiver]}],
    }
    path = folder / "alertmanager.yml"
    path.write_text(json.dumps(config | yaml.safe_load(inhibition.read_text())))  # JSON is YAML
    words = [f"--config.file={path}", f"--storage.path={folder / 'storage'}", f"--web.listen-address={ADDRESS}"]
    with (folder / "alertmanager.log").open("ab") as log:
        process = subprocess.Popen(
            [_PROGRAM, *words, "--cluster.listen-address="], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        eventually(_ready, "Alertmanager is ready", within=30)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def alerts() -> list[dict[str, Any]]:
    """What Alertmanager holds as active now."""
    return list(requests.get(f"http://{ADDRESS}/api/v2/alerts", params={"active": "true"}, timeout=5).json())


def _ready() -> bool:
    return requests.get(f"http://{ADDRESS}/-/ready", timeout=2).ok
