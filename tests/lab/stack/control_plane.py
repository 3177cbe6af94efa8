"""etcd, API server, controller manager, scheduler and DNS: all in the first node's namespace, so that the API server
reaches webhooks by the addresses of their Services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tests.lab.stack.binaries import Binaries
from tests.lab.stack.pki import Pki
from tests.lab.stack.places import (
    API_ADDRESS,
    API_SERVER,
    HUB,
    KUBERNETES_SERVICE,
    NODES,
    OBSERVER_ACCOUNT,
    SERVICES,
    Places,
)
from tests.lab.stack.processes import Daemons, run, wait_until

HOME: Final = NODES[0]
_ETCD: Final = "http://127.0.0.1:2379"
_ETCD_PEER: Final = "http://127.0.0.1:2380"
CONTROLLERS: Final = ("controller-manager", "scheduler")
"""These make new pods: on the way down they end first."""


def start_control_plane(places: Places, binaries: Binaries, daemons: Daemons) -> Pki:
    """Returns when the API server says that it is ready."""
    pki = Pki(places)
    _identities(pki)
    _etcd(places, binaries, daemons)
    _api_server(places, binaries, daemons, pki)
    wait_until(lambda: api_ready(pki), "the API server is ready", seconds=90)
    _controllers(places, binaries, daemons, pki)
    _dns(places, binaries, daemons)
    return pki


def api_ready(pki: Pki) -> bool:
    """Asked from the hub, as everybody asks; while it starts, the answer lists what is "ok" and what is not yet."""
    files = ["--cacert", pki.path("ca.crt"), "--cert", pki.path("admin.crt"), "--key", pki.path("admin.key")]
    return run(["curl", "-s", "-m", "2", *files, f"{API_SERVER}/readyz"], place=HUB, check=False) == "ok"


def _identities(pki: Pki) -> None:
    pki.roots()
    names = f"IP:127.0.0.1,IP:{API_ADDRESS},IP:{KUBERNETES_SERVICE},DNS:kubernetes,DNS:kubernetes.default.svc"
    pki.certificate("apiserver", "/CN=kube-apiserver", names)
    pki.user("admin", "/O=system:masters/CN=admin")
    pki.user("controller-manager", "/CN=system:kube-controller-manager")
    pki.user("scheduler", "/CN=system:kube-scheduler")


def _etcd(places: Places, binaries: Binaries, daemons: Daemons) -> None:
    flags = {
        "data-dir": places.run / "etcd",
        "listen-client-urls": _ETCD,
        "advertise-client-urls": _ETCD,
        "listen-peer-urls": _ETCD_PEER,
        "initial-advertise-peer-urls": _ETCD_PEER,
        "initial-cluster": f"default={_ETCD_PEER}",
        "log-level": "warn",
    }
    # Nothing of the lab outlives a crash of the machine: fsync would only slow it down.
    daemons.start("etcd", HOME, [binaries.path("etcd"), "--unsafe-no-fsync", *_flags(flags)])
    wait_until(
        lambda: "true" in run(["curl", "-s", "-m", "2", f"{_ETCD}/health"], place=HOME, check=False), "etcd is healthy"
    )


def _api_server(places: Places, binaries: Binaries, daemons: Daemons, pki: Pki) -> None:
    flags = {
        "etcd-servers": _ETCD,
        "secure-port": 6443,
        "bind-address": API_ADDRESS,
        "advertise-address": API_ADDRESS,
        "tls-cert-file": pki.path("apiserver.crt"),
        "tls-private-key-file": pki.path("apiserver.key"),
        "client-ca-file": pki.path("ca.crt"),
        "service-account-key-file": pki.path("sa.pub"),
        "service-account-signing-key-file": pki.path("sa.key"),
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": SERVICES,
        "authorization-mode": "Node,RBAC",
        "allow-privileged": "true",
        "kubelet-client-certificate": pki.path("admin.crt"),
        "kubelet-client-key": pki.path("admin.key"),
        "kubelet-preferred-address-types": "InternalIP",  # else `kubectl logs` looks up the node's name
        "audit-policy-file": _audit_policy(places),
        "audit-log-path": places.run / "audit.jsonl",
    }
    daemons.start("apiserver", HOME, [binaries.path("kube-apiserver"), *_flags(flags)])


def _audit_policy(places: Places) -> Path:
    """The server itself notes every write of Observer's account: what the stories hold against it."""
    writes = {"level": "Metadata", "users": [OBSERVER_ACCOUNT], "verbs": ["create", "update", "patch", "delete"]}
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [writes, {"level": "None"}],
    }
    path = places.run / "audit-policy.json"
    path.write_text(json.dumps(policy))
    return path


def _controllers(places: Places, binaries: Binaries, daemons: Daemons, pki: Pki) -> None:
    def shared(name: str) -> dict[str, object]:
        config = places.kubeconfig(name)
        return {
            "kubeconfig": config,
            "authentication-kubeconfig": config,
            "authorization-kubeconfig": config,
            "leader-elect": "false",
            "kube-api-qps": 200,
            "kube-api-burst": 400,
            "bind-address": "127.0.0.1",
        }

    manager = {
        **shared("controller-manager"),
        "service-account-private-key-file": pki.path("sa.key"),
        "root-ca-file": pki.path("ca.crt"),
        "use-service-account-credentials": "true",
        "node-monitor-grace-period": "20s",
    }
    daemons.start("controller-manager", HOME, [binaries.path("kube-controller-manager"), *_flags(manager)])
    daemons.start("scheduler", HOME, [binaries.path("kube-scheduler"), *_flags(shared("scheduler"))])


def _dns(places: Places, binaries: Binaries, daemons: Daemons) -> None:
    corefile = places.run / "Corefile"
    # The one-line form of `kubeconfig` does not parse.
    corefile.write_text(
        f".:53 {{\n    bind {API_ADDRESS}\n    kubernetes cluster.local {{\n"
        f"        kubeconfig {places.admin} lab\n    }}\n    errors\n}}\n"
    )
    daemons.start("coredns", HOME, [binaries.path("coredns"), "-conf", corefile])


def _flags(values: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
