"""The whole lab: raised in order, ended in the other order, and looked over for what it left."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.stack import images, kernel, network, ownership, shop, telemetry
from tests.lab.stack.binaries import Binaries
from tests.lab.stack.control_plane import CONTROLLERS, start_control_plane
from tests.lab.stack.errors import LabError
from tests.lab.stack.kubectl import Kubectl
from tests.lab.stack.mesh import start_mesh
from tests.lab.stack.node import Node
from tests.lab.stack.pki import Pki
from tests.lab.stack.places import HUB, JAEGER, NODES, PROMETHEUS, Places, netns
from tests.lab.stack.processes import Daemons, run, wait_until
from tests.lab.stack.requirements import check_machine
from tests.lab.stack.servers import NEEDED

SETTLE_SECONDS = 20.0
WARM_UP_SECONDS = 45.0


class Lab:
    """One lab in one folder. ``up`` and ``down`` are for the command line, the rest also for the stories."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.binaries = Binaries(places)
        self.daemons = Daemons(places.run / "daemons", places.logs)
        self.kubectl = Kubectl(places, self.binaries)
        self.nodes = {name: Node(name, places, self.binaries, self.daemons) for name in NODES}

    def build(self, servers: Sequence[str]) -> None:
        check_machine()
        self.binaries.build(servers)

    def up(self, *, traced: bool) -> None:
        """
        Raise it from nothing; about two minutes with kept binaries. ``traced`` adds Jaeger.

        Raises ``LabRefused`` before anything is touched, ``LabError`` when a part does not come up (``down`` ends it).
        """
        check_machine()
        with ownership.one_at_a_time():
            ownership.check_free()
            with _told("binaries"):
                self.binaries.build((*NEEDED, "jaeger") if traced else NEEDED)
            with _told("images"):
                archive = images.archive(self.places, self.binaries)
            ownership.claim(self.places)
            self._raise(archive, traced=traced)

    def down(self) -> None:
        """End everything and raise ``LabError`` with the name of whatever is left."""
        with ownership.one_at_a_time():
            ownership.check_owned(self.places)
            with _told("containers"):
                for name in CONTROLLERS:
                    self.daemons.stop(name)
                for node in self.nodes.values():
                    node.end()
            with _told("daemons"):
                for name in reversed(self.daemons.names()):
                    self.daemons.stop(name)
                for pid, _ in self._strays():
                    _kill(pid)
            with _told("network, kernel settings, folders"):
                network.remove_network()
                kernel.put_back(self.places)
                self._keep_logs()
            if left := self.left():
                raise LabError("left behind:\n" + "\n".join(f"  - {what}" for what in left))
            ownership.release()

    def left(self) -> list[str]:
        """Processes, namespaces, mounts, cgroups and folders of this lab that exist, by name."""
        found = [f"process {pid}: {command[:120]}" for pid, command in self._strays()]
        found += [f"network namespace {netns(place)}" for place in sorted(network.existing())]
        for node in self.nodes.values():
            found += [f"mount {point}" for point in node.mounts()]
            found += [f"cgroup {folder}" for folder in node.cgroups()]
        if self.places.run.exists():
            found.append(f"folder {self.places.run}")
        return found

    def status(self) -> list[str]:
        """A line for each daemon, then how to reach the lab; for people."""
        up = ownership.owner()
        if not up:
            return ["no lab is up"]
        if up != str(self.places.root):
            return [f"another lab is up: {up}"]
        lines = [f"{name:<22}{'runs' if self.daemons.alive(name) else 'DEAD'}" for name in self.daemons.names()]
        return [
            f"the lab of {self.places.root} is up",
            *lines,
            f"enter it:    nsenter --net=/run/netns/{netns(HUB)} COMMAND",
            f"kubeconfig:  {self.places.admin}",
            f"kubectl:     {self.binaries.path('kubectl')}",
            f"Prometheus:  {PROMETHEUS}",
            *([f"Jaeger:      {JAEGER}"] if "jaeger" in self.daemons.names() else []),
        ]

    def _raise(self, archive: Path, *, traced: bool) -> None:
        self.places.run.mkdir(parents=True, exist_ok=True)
        kernel.remember(self.places)
        with _told("network and control plane"):
            network.raise_network()
            pki = start_control_plane(self.places, self.binaries, self.daemons)
        with _told("nodes and images in them"):
            self._raise_nodes(pki, archive)
        with _told("Prometheus"):
            telemetry.start_prometheus(self.places, self.binaries, self.daemons)
            if traced:
                telemetry.start_jaeger(self.binaries, self.daemons)
        with _told("Istio"):
            start_mesh(self.places, self.binaries, self.kubectl, traced=traced)
        with _told("shop"):
            self.kubectl.apply(shop.objects())
            for name in shop.REPLICAS:
                self.kubectl.rolled_out(shop.NAMESPACE, name)
        with _told(f"warm-up (rest, then load x{shop.PEAK} for {WARM_UP_SECONDS:.0f} s, then rest)"):
            self.warm_up()

    def _raise_nodes(self, pki: Pki, archive: Path) -> None:
        for node in self.nodes.values():
            node.start(pki, archive)

        def all_ready() -> bool:
            states = self.kubectl("get", "nodes", "--no-headers", check=False).split("\n")
            return sum(" Ready " in state for state in states) == len(NODES)

        wait_until(all_ready, "every node is Ready", seconds=90)
        kernel.put_back(self.places)

    def warm_up(self) -> None:
        """A healthy peak in Prometheus' memory, so that the headroom brake knows what the pods can carry."""
        address = self.load_address()
        time.sleep(SETTLE_SECONDS)
        self._set_load(address, shop.RATE * shop.PEAK)
        time.sleep(WARM_UP_SECONDS)
        self._set_load(address, shop.RATE)
        time.sleep(SETTLE_SECONDS)

    def load_address(self) -> str:
        pods = self.kubectl.get("pods", "-n", shop.NAMESPACE, "-l", "app=load")["items"]
        running = [pod["status"]["podIP"] for pod in pods if pod["status"].get("phase") == "Running"]
        if not running:
            raise LabError("no load pod runs")
        return str(running[0])

    @staticmethod
    def _set_load(address: str, rate: float) -> None:
        run(["curl", "-sf", "-m", "5", f"http://{address}:{shop.CONTROL_PORT}/load?rate={rate:g}"], place=HUB)

    def _strays(self) -> Iterator[tuple[int, str]]:
        """Processes that name our run folder (shims do) or live in one of our namespaces, but for ourselves."""
        inodes = {_inode(Path(f"/run/netns/{netns(place)}")) for place in (*NODES, HUB)} - {0}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in {os.getpid(), os.getppid()}:
                continue
            command = _command(entry)
            if f"{self.places.run}/" in command or _inode(entry / "ns" / "net") in inodes:
                yield int(entry.name), command

    def _keep_logs(self) -> None:
        shutil.rmtree(self.places.last_logs, ignore_errors=True)
        if self.places.logs.exists():
            shutil.move(self.places.logs, self.places.last_logs)
        shutil.rmtree(self.places.run, ignore_errors=True)


@contextmanager
def _told(what: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{what} ...", end=" ", flush=True)
    yield
    print(f"{time.monotonic() - began:.0f} s", flush=True)


def _command(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
