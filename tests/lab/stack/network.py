"""Network namespaces: one a node, one hub between them, and no cable to the machine."""

from __future__ import annotations

from tests.lab.stack.places import HUB, NODES, SERVICES, hub_address, netns, node_address, pod_range
from tests.lab.stack.processes import run


def raise_network() -> None:
    """Hub and nodes with their cables and routes; ready to be called on a network that is up."""
    known = existing()
    if HUB not in known:
        _namespace(HUB)
    for node in NODES:
        if node not in known:
            _join(node)
    run(["ip", "-n", netns(HUB), "route", "replace", SERVICES, "via", node_address(NODES[0])])


def existing() -> set[str]:
    """Places whose namespace exists, whoever made it."""
    names = (line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line.strip())
    return {name.removeprefix("lab-") for name in names if name.startswith("lab-")}


def remove_network() -> None:
    for place in (*NODES, HUB):
        run(["ip", "netns", "delete", netns(place)], check=False)


def _namespace(place: str) -> None:
    run(["ip", "netns", "add", netns(place)])
    run(["ip", "-n", netns(place), "link", "set", "lo", "up"])
    run(["sysctl", "-qw", "net.ipv4.ip_forward=1"], place=place)


def _join(node: str) -> None:
    _namespace(node)
    here, there = hub_address(node), node_address(node)
    hub, far = ["ip", "-n", netns(HUB)], ["ip", "-n", netns(node)]
    run([*hub, "link", "add", node, "type", "veth", "peer", "name", "eth0", "netns", netns(node)])
    run([*hub, "addr", "add", f"{here}/30", "dev", node])
    run([*hub, "link", "set", node, "up"])
    run([*far, "addr", "add", f"{there}/30", "dev", "eth0"])
    run([*far, "link", "set", "eth0", "up"])
    run([*far, "route", "add", "default", "via", here])
    run([*hub, "route", "replace", pod_range(node), "via", there])
