"""One node: cgroups of its own, containerd, kubelet and kube-proxy in the node's network namespace."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.lab.stack.binaries import Binaries
from tests.lab.stack.images import PAUSE
from tests.lab.stack.pki import Pki
from tests.lab.stack.places import API_ADDRESS, PODS, Places, node_address, pod_range
from tests.lab.stack.processes import Daemons, run, wait_until
from tests.lab.stack.requirements import CGROUPS

_CONTROLLERS: Final = (
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "hugetlb",
    "systemd",
)
_CPU_SHARES: Final = "10240"
"""Ours: all pods of a node together would otherwise weigh as much as one busy process beside the lab."""
_KUBELET: Final = "kubelet.config.k8s.io/v1beta1"
_PROXY: Final = "kubeproxy.config.k8s.io/v1alpha1"


class Node:
    """Starts and ends the daemons of one node and imports images into it."""

    def __init__(self, name: str, places: Places, binaries: Binaries, daemons: Daemons) -> None:
        self.name = name
        self._places, self._binaries, self._daemons = places, binaries, daemons
        self._home = places.node(name)

    def start(self, pki: Pki, images: Path) -> None:
        """Containerd first, then the images (the kubelet needs the pause image), then kubelet and kube-proxy."""
        (self._home / "cni").mkdir(parents=True, exist_ok=True)
        self._make_cgroups()
        pki.user(
            self._file("kubelet"), f"/O=system:nodes/CN=system:node:{self.name}", f"DNS:{self.name},IP:{self._address}"
        )
        self._write_configuration(pki)
        self._daemons.start(self._file("containerd"), self.name, ["containerd", "-c", self._home / "containerd.toml"])
        wait_until(lambda: bool(self._ctr("version")), f"containerd of {self.name} answers")
        self._ctr("image", "import", str(images), timeout=300)
        kubelet = [
            f"--config={self._home}/kubelet.json",
            f"--kubeconfig={self._places.kubeconfig(self._file('kubelet'))}",
            f"--hostname-override={self.name}",
            f"--node-ip={self._address}",
            f"--root-dir={self._home}/kubelet",
            f"--cert-dir={self._home}/pki",
        ]
        self._daemons.start(self._file("kubelet"), self.name, [self._binaries.path("kubelet"), *kubelet])
        proxy = [self._binaries.path("kube-proxy"), f"--config={self._home}/proxy.json"]
        self._daemons.start(self._file("kube-proxy"), self.name, proxy)

    def end(self) -> None:
        """Kubelet first, so that nothing is started again; then every container; then what held them."""
        for daemon in ("kubelet", "kube-proxy"):
            self._daemons.stop(self._file(daemon))
        if self._daemons.alive(self._file("containerd")):
            self._end_containers()
        self._daemons.stop(self._file("containerd"))
        for mount in self.mounts():
            run(["umount", "-l", mount], check=False)
        self._remove_cgroups()

    def hide_image(self, image: str) -> None:
        """Nothing can be pulled, so without its name the image is missing."""
        self._ctr("image", "tag", "--force", image, f"{image}-hidden")
        self._ctr("image", "rm", image)

    def show_image(self, image: str) -> None:
        self._ctr("image", "tag", "--force", f"{image}-hidden", image)
        self._ctr("image", "rm", f"{image}-hidden")

    def container_process(self, container_id: str) -> int:
        """Process id of a container's first process, by the id that Kubernetes reports; 0 when it does not run."""
        return dict(self._tasks()).get(container_id.rpartition("/")[2], 0)

    def mounts(self) -> list[str]:
        """Mount points below the node's folder, innermost first."""
        points = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
        return sorted((point for point in points if point.startswith(f"{self._home}/")), reverse=True)

    def cgroups(self) -> list[Path]:
        return sorted(CGROUPS.glob(f"*/{self._cgroup}"))

    @property
    def _address(self) -> str:
        return node_address(self.name)

    @property
    def _cgroup(self) -> str:
        return f"lab-{self.name}"

    def _file(self, daemon: str) -> str:
        return f"{daemon}-{self.name}"

    def _ctr(self, *words: str, check: bool = True, timeout: float = 60.0) -> str:
        command = ["ctr", "-a", str(self._home / "containerd.sock"), "-n", "k8s.io", *words]
        return run(command, check=check, timeout=timeout)

    def _tasks(self) -> Iterator[tuple[str, int]]:
        for line in self._ctr("task", "ls", check=False).splitlines()[1:]:
            name, pid = line.split()[:2]
            yield name, int(pid)

    def _end_containers(self) -> None:
        """All at once: kill by process id, then let containerd tidy up what it held for them."""
        end = time.monotonic() + 30
        while (tasks := dict(self._tasks())) and time.monotonic() < end:
            for pid in filter(None, tasks.values()):  # 0: it has ended already, and would mean our own group
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._ctr("task", "delete", "-f", *tasks, check=False)

    def _make_cgroups(self) -> None:
        """The nodes share one machine: each gets a root of its own in every hierarchy."""
        for controller in _CONTROLLERS:
            top = CGROUPS / controller
            if not top.is_dir():
                continue
            own = top / self._cgroup
            own.mkdir(exist_ok=True)
            if controller == "cpu":
                (own / "cpu.shares").write_text(_CPU_SHARES)
            if controller == "cpuset":
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (own / name).write_text((top / name).read_text())

    def _remove_cgroups(self) -> None:
        end = time.monotonic() + 10
        while (own := self.cgroups()) and time.monotonic() < end:
            for top in own:
                for folder in sorted(top.rglob("*"), reverse=True):
                    if folder.is_dir():
                        _remove_if_empty(folder)
                _remove_if_empty(top)
            time.sleep(0.1)

    def _write_configuration(self, pki: Pki) -> None:
        (self._home / "containerd.toml").write_text(_containerd(self._home))
        (self._home / "cni" / "10-lab.conflist").write_text(json.dumps(_cni(self._home, self.name), indent=1))
        (self._home / "resolv.conf").write_text(f"nameserver {API_ADDRESS}\n")
        (self._home / "kubelet.json").write_text(json.dumps(self._kubelet(pki), indent=1))
        (self._home / "proxy.json").write_text(json.dumps(self._proxy(), indent=1))

    def _kubelet(self, pki: Pki) -> dict[str, Any]:
        return {
            "apiVersion": _KUBELET,
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "enforceNodeAllocatable": [],
            "oomScoreAdj": 0,
            "failSwapOn": False,
            "maxOpenFiles": 20_000,
            "address": self._address,
            "healthzBindAddress": "127.0.0.1",
            "containerRuntimeEndpoint": f"unix://{self._home}/containerd.sock",
            "clusterDNS": [API_ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": f"{self._home}/resolv.conf",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki.path("ca.crt"))},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki.path(f"{self._file('kubelet')}.crt")),
            "tlsPrivateKeyFile": str(pki.path(f"{self._file('kubelet')}.key")),
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            "imageGCHighThresholdPercent": 99,
            "imageGCLowThresholdPercent": 98,
            "maxPods": 200,
            "syncFrequency": "1s",
            "nodeStatusUpdateFrequency": "2s",
            "podLogsDir": f"{self._home}/logs",  # two kubelets with one folder delete each other's logs
            "volumePluginDir": f"{self._home}/volumeplugins",
        }

    def _proxy(self) -> dict[str, Any]:
        return {
            "apiVersion": _PROXY,
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": str(self._places.admin)},
            "clusterCIDR": PODS,
            "hostnameOverride": self.name,
            "bindAddress": self._address,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }


def _containerd(home: Path) -> str:
    """``restrict_oom_score_adj``: lowering the score is refused on many machines, and then no sandbox starts."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{home}/root"
state = "{home}/state"
[grpc]
  address = "{home}/containerd.sock"
[{cri}]
  sandbox_image = "{PAUSE}"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[{cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{home}/cni"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = "{home}/runc"
"""


def _cni(home: Path, node: str) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "dataDir": f"{home}/ipam",
        "ranges": [[{"subnet": pod_range(node)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return {
        "cniVersion": "0.4.0",
        "name": f"lab-{node}",
        "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
