"""What a machine must have before a lab may be raised on it, and the words to say when it has not."""

from __future__ import annotations

import os
import platform
import re
import shutil
from pathlib import Path
from typing import Final

from tests.lab.stack.errors import LabRefused
from tests.lab.stack.processes import run

GO: Final = (1, 26)
PROGRAMS: Final = (
    "containerd",
    "ctr",
    "runc",
    "iptables",
    "conntrack",
    "socat",
    "nsenter",
    "ip",
    "sysctl",
    "mmdebstrap",
    "gcc",
    "openssl",
    "curl",
)
CNI: Final = Path("/usr/lib/cni/bridge")
CGROUPS: Final = Path("/sys/fs/cgroup")


def check_machine() -> None:
    """Raises ``LabRefused`` naming everything that is missing at once; touches nothing."""
    if wrong := list(_missing()):
        raise LabRefused("this machine cannot hold the lab:\n" + "\n".join(f"  - {line}" for line in wrong))


def _missing() -> list[str]:
    if platform.system() != "Linux":
        return [f"it needs Linux, and this is {platform.system()}"]
    wrong = []
    if os.geteuid() != 0:
        wrong.append("it needs root (network namespaces, containers): run it as root")
    if not (CGROUPS / "memory" / "tasks").exists():
        wrong.append("it needs cgroup v1, and no v1 memory controller is mounted at /sys/fs/cgroup/memory (v2 only?)")
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if not CNI.exists():
        absent.append("the CNI plugins (/usr/lib/cni)")
    if absent:
        wrong.append(f"not installed: {', '.join(absent)}; on Debian: tests/lab/debian-packages.sh install")
    return wrong


def check_go() -> None:
    """Raises ``LabRefused`` when servers must be built and there is no Go that can."""
    wanted = ".".join(str(part) for part in GO)
    if shutil.which("go") is None:
        raise LabRefused(f"building the lab's servers needs Go {wanted} or later, and no `go` is on the PATH")
    said = run(["go", "env", "GOVERSION"]).strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < GO:
        raise LabRefused(f"building the lab's servers needs Go {wanted} or later; this is {said or 'unknown'}")
