"""Commands that end and daemons that stay, inside the lab's network namespaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.stack.errors import LabError
from tests.lab.stack.places import netns

Command = Sequence[object]
AHEAD = ("nice", "-n", "-10")
"""Daemons of the lab, and the containers they start, go before whatever else runs on the machine."""


def inside(place: str | None, command: Command) -> list[str]:
    """``command`` in the network namespace of ``place``. (``ip netns exec`` would hide the cgroups: a fresh /sys.)"""
    words = [str(word) for word in command]
    return words if place is None else ["nsenter", f"--net=/run/netns/{netns(place)}", *words]


def run(
    command: Command,
    *,
    place: str | None = None,
    feed: str | None = None,
    check: bool = True,
    timeout: float = 120.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Standard output of a command that ends; ``LabError`` with its last words when it fails or takes too long."""
    words = inside(place, command)
    try:
        done = subprocess.run(
            words,
            input=feed,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"{words[0]}: no end after {timeout:.0f} s: {' '.join(words)}") from exc
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"{' '.join(words)[:400]}: exit {done.returncode}\n{said}")
    return done.stdout


def wait_until(check: Callable[[], bool], what: str, *, seconds: float = 60.0, every: float = 0.1) -> None:
    """Ask until it holds. A ``LabError`` inside the question means "not yet"; time out as ``LabError``."""
    end, last = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if check():
                return
        except LabError as exc:
            last = f"; last: {exc}"
        time.sleep(every)
    raise LabError(f"not within {seconds:.0f} s: {what}{last}")


def birth(pid: int) -> str:
    """When the process began, in the kernel's ticks; empty when it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon as it was started, enough to know it again and to start it again."""

    pid: int
    born: str
    command: list[str]
    place: str
    env: dict[str, str]


class Daemons:
    """
    The long-running processes of one lab, by name. Each is known by its process id *and* its birth, so a later process
    with the same number is never mistaken for it. The records are files: any process may stop what another started.
    """

    def __init__(self, records: Path, logs: Path) -> None:
        self._records, self._logs = records, logs

    def start(self, name: str, place: str, command: Command, env: Mapping[str, str] | None = None) -> None:
        """Start unless that very daemon is alive."""
        if self.alive(name):
            return
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        words, more = [str(word) for word in command], dict(env or {})
        with (self._logs / f"{name}.log").open("ab") as log:
            # A session of its own: ending the shell that started the lab must not end the lab.
            child = subprocess.Popen(
                inside(place, [*AHEAD, *words]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **more},
                cwd=self._records,
            )
        child.returncode = 0  # the record knows it from here on; Python need not wait for it
        record = {"pid": child.pid, "born": birth(child.pid), "command": words, "place": place, "env": more}
        (self._records / f"{name}.json").write_text(json.dumps(record))

    def stop(self, name: str, *, patience: float = 10.0) -> None:
        """Ask that very process to end, wait, then insist. The record stays, so that ``restart`` knows the command."""
        if (known := self._read(name)) is None:
            return
        self._signal(known, signal.SIGTERM)
        if not self._gone(known, patience):
            self._signal(known, signal.SIGKILL)
            self._gone(known, patience)

    def forget(self, name: str) -> None:
        (self._records / f"{name}.json").unlink(missing_ok=True)

    def again(self, name: str) -> None:
        """Start a stopped daemon with the command that it had."""
        if (known := self._read(name)) is None:
            raise LabError(f"{name} was never started in this lab")
        self.start(name, known.place, known.command, known.env)

    def alive(self, name: str) -> bool:
        known = self._read(name)
        return known is not None and _is(known)

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._records.glob("*.json"))

    def last_words(self, name: str, lines: int = 8) -> str:
        log = self._logs / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"

    def _read(self, name: str) -> Started | None:
        try:
            return Started(**json.loads((self._records / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    @staticmethod
    def _signal(known: Started, number: signal.Signals) -> None:
        if _is(known):
            try:
                os.kill(known.pid, number)
            except ProcessLookupError:
                return

    @staticmethod
    def _gone(known: Started, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while _is(known):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def _is(known: Started) -> bool:
    return bool(known.born) and birth(known.pid) == known.born
