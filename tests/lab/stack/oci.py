"""Writes container images without a container engine: one OCI archive with any number of images that share layers."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

_TYPE: Final = "application/vnd.oci.image."
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """
    What one image holds: an optional base system (a tar of a root file system), then ``files`` (path in the image to
    the file that is put there), then how it is started.
    """

    name: str
    entrypoint: Sequence[str]
    files: Mapping[str, Path]
    base: Path | None = None
    user: str = ""
    env: Mapping[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )


def write_archive(images: Sequence[Image], target: Path) -> None:
    """All images in one archive; a base that several share is stored once. The same input gives the same bytes."""
    written: set[str] = set()
    manifests = []
    with tarfile.open(target, "w") as archive:
        for image in images:
            layers = [_add_file(archive, image.base, written)] if image.base is not None else []
            if image.files:
                layers.append(_add_bytes(archive, _layer(image.files), written))
            config = _add_bytes(archive, _json(_config(image, [digest for digest, _ in layers])), written)
            manifest = _add_bytes(archive, _json(_manifest(config, layers)), written)
            manifests.append(
                {
                    "mediaType": _TYPE + "manifest.v1+json",
                    "digest": manifest[0],
                    "size": manifest[1],
                    "annotations": {"io.containerd.image.name": image.name},
                }
            )
        _member(archive, "oci-layout", io.BytesIO(b'{"imageLayoutVersion":"1.0.0"}'), 30)
        index = _json({"schemaVersion": 2, "manifests": manifests})
        _member(archive, "index.json", io.BytesIO(index), len(index))


def _config(image: Image, diffs: Sequence[str]) -> dict[str, Any]:
    machine = platform.machine()
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": list(diffs)},
        "config": {
            "User": image.user,
            "Entrypoint": list(image.entrypoint),
            "Env": [f"{name}={value}" for name, value in image.env.items()],
        },
    }


def _manifest(config: tuple[str, int], layers: Sequence[tuple[str, int]]) -> dict[str, Any]:
    def described(kind: str, blob: tuple[str, int]) -> dict[str, Any]:
        return {"mediaType": _TYPE + kind, "digest": blob[0], "size": blob[1]}

    return {
        "schemaVersion": 2,
        "mediaType": _TYPE + "manifest.v1+json",
        "config": described("config.v1+json", config),
        "layers": [described("layer.v1.tar", layer) for layer in layers],
    }


def _layer(files: Mapping[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for inside, source in sorted(files.items()):
            info = tarfile.TarInfo(inside.lstrip("/"))
            info.size, info.mode = source.stat().st_size, 0o755
            with source.open("rb") as content:
                tar.addfile(info, content)
    return buffer.getvalue()


def _add_bytes(archive: tarfile.TarFile, blob: bytes, written: set[str]) -> tuple[str, int]:
    digest = hashlib.sha256(blob).hexdigest()
    if digest not in written:
        written.add(digest)
        _member(archive, f"blobs/sha256/{digest}", io.BytesIO(blob), len(blob))
    return f"sha256:{digest}", len(blob)


def _add_file(archive: tarfile.TarFile, path: Path, written: set[str]) -> tuple[str, int]:
    size = path.stat().st_size
    digest = file_digest(path)
    if digest not in written:
        written.add(digest)
        with path.open("rb") as content:
            _member(archive, f"blobs/sha256/{digest}", content, size)
    return f"sha256:{digest}", size


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read in pieces."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _member(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    archive.addfile(info, content)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
