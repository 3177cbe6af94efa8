"""Kernel settings that a kubelet overwrites for the whole machine: remembered before, put back as soon as it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tests.lab.stack.places import Places
from tests.lab.stack.processes import run

_OVERWRITTEN: Final = ("vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops")


def remember(places: Places) -> None:
    """Once a lab: a second call would remember what a kubelet wrote."""
    if not _file(places).exists():
        values = {name: run(["sysctl", "-n", name]).strip() for name in _OVERWRITTEN}
        _file(places).write_text(json.dumps(values))


def put_back(places: Places) -> None:
    if _file(places).exists():
        for name, value in json.loads(_file(places).read_text()).items():
            run(["sysctl", "-qw", f"{name}={value}"])


def _file(places: Places) -> Path:
    return places.run / "kernel.json"
