"""The real servers of the lab and how each is built from its Go module. Versions stand in ``tests/lab/go/*/go.mod``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.lab.stack.errors import LabError
from tests.lab.stack.places import LAB_FILES

MODULES: Final = LAB_FILES / "go"


@dataclass(frozen=True, slots=True)
class Server:
    """
    One wrapper module: ``module`` is what it pins, ``commands`` maps binaries to packages.

    ``stamps`` are linker variables with ``{version}`` (v1.2.3), ``{plain}`` (1.2.3), ``{major}`` and ``{minor}``;
    ``tidy`` is off where one dependency nobody compiles cannot be had; ``share`` are files of the module to keep.
    """

    name: str
    module: str
    commands: dict[str, str]
    stamps: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    tidy: bool = True
    share: tuple[str, ...] = ()

    @property
    def wrapper(self) -> Path:
        return MODULES / self.name

    @property
    def version(self) -> str:
        """As the wrapper's go.mod pins it."""
        pinned = re.search(
            rf"^(?:require )?\s*{re.escape(self.module)} (v\S+)", (self.wrapper / "go.mod").read_text(), re.MULTILINE
        )
        if pinned is None:
            raise LabError(f"{self.wrapper}/go.mod does not require {self.module}")
        return pinned[1]

    def linker_flags(self) -> str:
        """Without symbols; with the version stamped in where the server would not know it."""
        plain = self.version.removeprefix("v")
        major, minor = plain.split(".")[:2]
        values = {"version": self.version, "plain": plain, "major": major, "minor": minor, "display": _display(plain)}
        stamps = [f"-X {variable}={value.format(**values)}" for variable, value in self.stamps.items()]
        return " ".join(["-s", "-w", *stamps])


def _display(plain: str) -> str:
    """Prometheus tags 3.16.0 as module version 0.316.0."""
    _, joined, patch = [*plain.split("."), "0", "0"][:3]
    return f"{joined[0]}.{joined[1:] or '0'}.{patch}"


_KUBERNETES: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
_STAMP: Final = "k8s.io/component-base/version"

SERVERS: Final = (
    Server(
        "kubernetes",
        "k8s.io/kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
        # Unstamped it calls itself v0.0.0, and clients believe it.
        stamps={
            f"{_STAMP}.gitVersion": "{version}",
            f"{_STAMP}.gitMajor": "{major}",
            f"{_STAMP}.gitMinor": "{minor}",
            f"{_STAMP}.gitTreeState": "clean",
            f"{_STAMP}.gitCommit": "lab",
        },
    ),
    Server("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Server("coredns", "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"}),
    Server(
        "istio",
        "istio.io/istio",
        {name: f"istio.io/istio/pilot/cmd/{name}" for name in ("pilot-discovery", "pilot-agent")},
        share=("manifests/charts", "tools/packaging/common/envoy_bootstrap.json"),
    ),
    Server(
        "prometheus",
        "github.com/prometheus/prometheus",
        {"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
        stamps={"github.com/prometheus/common/version.Version": "{display}"},
        # Every discovery plugin but Kubernetes is left out: the module of one of them cannot be had.
        flags=("-mod=mod", "-tags", "remove_all_sd,enable_kubernetes_sd"),
        tidy=False,
    ),
    Server("jaeger", "github.com/jaegertracing/jaeger", {"jaeger": "github.com/jaegertracing/jaeger/cmd/all-in-one"}),
)
BY_NAME: Final = {server.name: server for server in SERVERS}

NEEDED: Final = ("kubernetes", "etcd", "coredns", "istio", "prometheus")
"""What the gray-pod and all-bad stories need; Jaeger joins when the whole lab is asked for."""
