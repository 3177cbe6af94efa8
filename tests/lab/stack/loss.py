"""A node that loses packets between pods: everything else, scrapes and heartbeats included, passes whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.lab.stack.places import NODES, pod_range
from tests.lab.stack.processes import run

_CHAIN: Final = "LAB-LOSS"


@contextmanager
def losing(node: str, part: float) -> Iterator[None]:
    """
    The node drops ``part`` (0..1) of the packets from pods to its pods, and of those from its pods to other nodes'.

    The node forwards both, and what stays within it passes once: Prometheus, Observer and kubelets are no pods.
    """
    end_loss(node)
    here = pod_range(node)
    run(["iptables", "-N", _CHAIN], place=node)
    for other in NODES:
        _drop(node, pod_range(other), here, part)
        if other != node:
            _drop(node, here, pod_range(other), part)
    run(["iptables", "-I", "FORWARD", "1", "-j", _CHAIN], place=node)
    try:
        yield
    finally:
        end_loss(node)


def end_loss(node: str) -> None:
    """Nothing is lost any more; on a whole node nothing happens."""
    for words in (["-D", "FORWARD", "-j", _CHAIN], ["-F", _CHAIN], ["-X", _CHAIN]):
        run(["iptables", *words], place=node, check=False)


def _drop(node: str, source: str, target: str, part: float) -> None:
    chance = ["-m", "statistic", "--mode", "random", "--probability", f"{part:g}"] if part < 1.0 else []
    run(["iptables", "-A", _CHAIN, "-s", source, "-d", target, *chance, "-j", "DROP"], place=node)
