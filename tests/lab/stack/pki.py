"""The cluster's certificates, keys and kubeconfigs, made with openssl and thrown away with the lab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.lab.stack.places import API_SERVER, Places
from tests.lab.stack.processes import run

_DAYS = "30"


class Pki:
    """One certificate authority, one certificate a component, one kubeconfig a user."""

    def __init__(self, places: Places) -> None:
        self._places = places
        places.pki.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """``ca.crt``, ``apiserver.key``, ``sa.pub`` ..."""
        return self._places.pki / name

    def roots(self) -> None:
        """The authority and the key that signs service account tokens."""
        if not self.path("ca.crt").exists():
            subject = ["-subj", "/CN=lab", "-keyout", self.path("ca.key"), "-out", self.path("ca.crt")]
            run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", _DAYS, *subject])
        if not self.path("sa.key").exists():
            run(["openssl", "genrsa", "-out", self.path("sa.key"), "2048"])
            run(["openssl", "rsa", "-in", self.path("sa.key"), "-pubout", "-out", self.path("sa.pub")])

    def certificate(self, name: str, subject: str, alternatives: str = "") -> None:
        """Signed for servers and clients alike; ``alternatives`` as openssl writes them (``IP:…,DNS:…``)."""
        if self.path(f"{name}.crt").exists():
            return
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        extensions.write_text(
            f"subjectAltName={alternatives or f'DNS:{name}'}\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        key = ["-keyout", self.path(f"{name}.key"), "-out", request]
        run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, *key])
        authority = ["-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", _DAYS]
        run(
            [
                "openssl",
                "x509",
                "-req",
                "-in",
                request,
                *authority,
                "-out",
                self.path(f"{name}.crt"),
                "-extfile",
                extensions,
            ]
        )

    def user(self, name: str, subject: str, alternatives: str = "") -> Path:
        """A certificate and the kubeconfig that uses it."""
        self.certificate(name, subject, alternatives)
        credentials = {"client-certificate": str(self.path(f"{name}.crt")), "client-key": str(self.path(f"{name}.key"))}
        return self.kubeconfig(name, credentials)

    def kubeconfig(self, name: str, credentials: dict[str, Any]) -> Path:
        """A kubeconfig with any kind of credentials. The cluster is called as Istio calls its first cluster."""
        cluster = {"server": API_SERVER, "certificate-authority": str(self.path("ca.crt"))}
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "Kubernetes", "cluster": cluster}],
            "users": [{"name": name, "user": credentials}],
            "contexts": [{"name": "lab", "context": {"cluster": "Kubernetes", "user": name}}],
            "current-context": "lab",
        }
        path = self._places.kubeconfig(name)
        path.write_text(json.dumps(body, indent=1))
        return path
