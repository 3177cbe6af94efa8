"""Observer as a process in the hub: its own account, its own journal, nothing but its manifests' rights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import requests

from tests.lab.harness.cluster import eventually
from tests.lab.stack.places import CHECKOUT, PROMETHEUS

LISTEN: Final = "127.0.0.1:8090"
AWAKE_TICKS: Final = 30
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 45.0


class Daemon:
    """``observer run`` and the command line that asks it."""

    def __init__(self, folder: Path, kubeconfig: Path, changes: Mapping[str, Any]) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "observer.jsonl"
        self.settings = folder / "observer.yaml"
        self.settings.write_text(json.dumps(_settings(folder, kubeconfig, changes), indent=1))

    def start(self) -> None:
        """Returns when it answers; a settings or permission fault shows its own words."""
        env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-m", "observer", "run", "--config", str(self.settings)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=self._folder
            )
        eventually(self._answers, f"Observer answers; its log ends:\n{self.last_words()}", within=START_SECONDS)

    def stop(self) -> None:
        """As the platform stops it: SIGTERM, time, then SIGKILL."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash ends it."""
        self._end(signal.SIGKILL)

    def status(self) -> dict[str, Any]:
        return dict(requests.get(f"http://{LISTEN}/api/v1/status", timeout=5).json())

    def decisions(self, since: float = 0.0) -> list[dict[str, Any]]:
        """What it decided, to act and not to, oldest first; only while it runs."""
        page = requests.get(f"http://{LISTEN}/api/v1/decisions", params={"limit": "500"}, timeout=5).json()
        return [decision for decision in reversed(page["decisions"]) if decision["at"] >= since]

    def figure(self, name: str) -> float:
        """Sum over the series of one self metric."""
        lines = requests.get(f"http://{LISTEN}/metrics", timeout=5).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def states(self) -> dict[str, float]:
        """Number of objectives by data state."""
        lines = requests.get(f"http://{LISTEN}/metrics", timeout=5).text.splitlines()
        found = (line for line in lines if line.startswith("observer_objectives{"))
        return {line.split('state="')[1].split('"')[0]: float(line.split()[-1]) for line in found}

    def ask(self, *words: str) -> Any:
        """The command line with ``--json``, in a process of its own."""
        command = [sys.executable, "-m", "observer", *words, "--json", "--config", str(self.settings)]
        env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=env, cwd=self._folder, check=False
        )
        assert done.returncode in (0, 1), f"observer {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}"
        return json.loads(done.stdout)

    def complete_ticks(self) -> int:
        return int(self.status()["complete_ticks"])

    def awake(self, *, within: float = 180.0) -> None:
        """It leads, enforces, and has completed enough ticks to be believed."""

        def enough() -> bool:
            told = self.status()
            return bool(told["leader"]) and told["mode"] == "enforce" and int(told["complete_ticks"]) >= AWAKE_TICKS

        eventually(enough, f"{AWAKE_TICKS} complete ticks as the leader in mode enforce", within=within)

    def logged(self, event: str, since: float = 0.0) -> Iterator[dict[str, Any]]:
        """Lines of its JSON log, of one event."""
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("event") == event:
                yield entry

    def last_words(self, lines: int = 15) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"Observer ended with {self._process.returncode}:\n{self.last_words()}")
        return requests.get(f"http://{LISTEN}/healthz", timeout=2).status_code == 200

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=STOP_SECONDS)
            raise AssertionError(f"Observer did not end within {STOP_SECONDS:.0f} s of {number.name}") from None


def _settings(folder: Path, kubeconfig: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults but for what a lab needs; ``changes`` are what one story names, section by section."""
    settings: dict[str, Any] = {
        "mode": "enforce",
        "tick": "1s",
        "prometheus": {"url": PROMETHEUS},
        "kubernetes": {"kubeconfig": str(kubeconfig)},
        "evidence": {"path": str(folder / "evidence")},
        "journal": f"sqlite+aiosqlite:///{folder}/journal.db",
        "audit": str(folder / "audit.jsonl"),
        "listen": LISTEN,
    }
    for section, values in changes.items():
        settings[section] = {**settings.get(section, {}), **values} if isinstance(values, Mapping) else values
    return settings
