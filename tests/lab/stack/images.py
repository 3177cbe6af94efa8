"""The lab's images: a Debian base, Istio's proxy and pilot around plain Envoy, the shop's service and its load."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from tests.lab.stack.binaries import Binaries
from tests.lab.stack.oci import Image, file_digest, write_archive
from tests.lab.stack.places import LAB_FILES, Places
from tests.lab.stack.processes import run

REGISTRY: Final = "lab.local"
"""A name and no more: nothing is ever pulled."""
TAG: Final = "1"
PAUSE: Final = f"{REGISTRY}/pause:{TAG}"
_SUITE: Final = "bookworm"
_BASE_PACKAGES: Final = ("python3-minimal", "python3-aiohttp", "ca-certificates", "iptables", "iproute2")
_SOURCES: Final = LAB_FILES / "images"


def archive(places: Places, binaries: Binaries) -> Path:
    """The archive with every image, written when one of its parts changed."""
    places.retained.mkdir(parents=True, exist_ok=True)
    images = _images(_base(places), _pause(places), binaries)
    target = places.retained / f"images-{_key(images)}.tar"
    if not target.exists():
        for old in places.retained.glob("images-*.tar"):
            old.unlink()
        unfinished = target.with_suffix(".unfinished")
        write_archive(images, unfinished)
        unfinished.rename(target)
    return target


def _images(base: Path, pause: Path, binaries: Binaries) -> list[Image]:
    agent, pilot = "/usr/local/bin/pilot-agent", "/usr/local/bin/pilot-discovery"
    proxy = {
        agent: binaries.path("pilot-agent"),
        "/usr/local/bin/envoy": binaries.path("envoy"),
        "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": binaries.shared("istio", "envoy_bootstrap.json"),
    }
    python = "/usr/bin/python3"
    return [
        Image(PAUSE, ["/pause"], {"/pause": pause}),
        Image(f"{REGISTRY}/proxyv2:{TAG}", [agent], proxy, base),
        # Kubernetes refuses runAsNonRoot for an image whose user is not a number.
        Image(f"{REGISTRY}/pilot:{TAG}", [pilot], {pilot: binaries.path("pilot-discovery")}, base, user="1337"),
        Image(f"{REGISTRY}/app:{TAG}", [python, "/app.py"], {"/app.py": _SOURCES / "app.py"}, base),
        Image(f"{REGISTRY}/load:{TAG}", [python, "/load.py"], {"/load.py": _SOURCES / "load.py"}, base),
    ]


def _key(images: list[Image]) -> str:
    """Changes with what is inside: scripts by content, binaries and base by path, size and time."""
    words = []
    for image in images:
        for inside, source in sorted(image.files.items()):
            words.append(f"{image.name} {inside} {_mark(source)}")
    words.append(str(images[1].base))
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]


def _mark(source: Path) -> str:
    if source.is_relative_to(LAB_FILES):
        return file_digest(source)
    seen = source.stat()
    return f"{source} {seen.st_size} {seen.st_mtime_ns}"


def _base(places: Places) -> Path:
    """A small Debian with Python and iptables; about a minute to make, then kept."""
    target = places.retained / f"base-{_SUITE}-{hashlib.sha256(' '.join(_BASE_PACKAGES).encode()).hexdigest()[:8]}.tar"
    if not target.exists():
        unfinished = target.with_suffix(".unfinished.tar")
        include = f"--include={','.join(_BASE_PACKAGES)}"
        run(["mmdebstrap", "--quiet", "--variant=essential", "--mode=root", include, _SUITE, unfinished], timeout=900)
        unfinished.rename(target)
    return target


def _pause(places: Places) -> Path:
    """The program that holds a pod's namespaces, static: its image has nothing else in it."""
    source = _SOURCES / "pause.c"
    target = places.retained / f"pause-{file_digest(source)[:8]}"
    if not target.exists():
        run(["gcc", "-static", "-O2", "-s", "-o", target, source])
    return target
