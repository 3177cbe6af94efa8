"""Freezes one sidecar's Envoy and thaws it: the process is there and answers nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.lab.harness.cluster import Pod
from tests.lab.stack.errors import LabError
from tests.lab.stack.lab import Lab


@contextmanager
def frozen(lab: Lab, pod: Pod) -> Iterator[None]:
    pid = _envoy(lab.nodes[pod.node].container_process(pod.containers["istio-proxy"]))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _envoy(agent: int) -> int:
    """The child of the sidecar's agent that is Envoy."""
    for task in Path(f"/proc/{agent}/task").glob("*/children"):
        for child in task.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().startswith("envoy"):
                return int(child)
    raise LabError(f"process {agent} has no Envoy below it")
