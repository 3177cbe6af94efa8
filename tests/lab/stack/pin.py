"""Writes the wrapper modules ``tests/lab/go/NAME`` with the go tool: how a pinned version is changed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from tests.lab.stack.processes import run
from tests.lab.stack.requirements import GO, check_go
from tests.lab.stack.servers import BY_NAME, Server

_ENV: Final = {"GOWORK": "off", "GOFLAGS": ""}
_MINUTES: Final = 900.0


def pin(name: str, version: str) -> None:
    """
    Pin a server at a version. A wrapper that imports the commands is needed because ``go install pkg@version`` refuses
    modules that have ``replace`` directives, and most of these have.
    """
    check_go()
    server = BY_NAME[name]
    folder = server.wrapper
    folder.mkdir(parents=True, exist_ok=True)
    for old in ("go.mod", "go.sum", "tools.go"):
        (folder / old).unlink(missing_ok=True)
    _go(folder, "mod", "init", f"lab.local/{name}")
    # The oldest Go that will do: what follows raises it where a dependency asks for more.
    _go(folder, "mod", "edit", f"-go={GO[0]}.{GO[1]}", f"-require={server.module}@{version}")
    if name == "kubernetes":
        _pin_staging(folder, version)
    if server.tidy:
        (folder / "tools.go").write_text(_imports(server))
        _go(folder, "mod", "tidy")
    else:
        _go(folder, "get", f"{server.module}@{version}")
        # Without tidy only a build tells which checksums are needed.
        for package in server.commands.values():
            _go(folder, "list", "-deps", *server.flags, package)


def _pin_staging(folder: Path, version: str) -> None:
    """k8s.io/kubernetes replaces its staging modules by folders; here each is the published module of the release."""
    told = json.loads(
        run(["go", "mod", "download", "-json", f"k8s.io/kubernetes@{version}"], cwd=folder, env=_ENV, timeout=_MINUTES)
    )
    staging = sorted(set(re.findall(r"^\s*(k8s\.io/\S+) => \./staging", Path(told["GoMod"]).read_text(), re.MULTILINE)))
    published = "v0." + version.removeprefix("v1.")
    _go(folder, "mod", "edit", *(f"-replace={module}={module}@{published}" for module in staging))


def _imports(server: Server) -> str:
    imports = "".join(f'\t_ "{package}"\n' for package in server.commands.values())
    return f"//go:build tools\n\npackage tools\n\nimport (\n{imports})\n"


def _go(folder: Path, *words: str) -> None:
    run(["go", *words], cwd=folder, env=_ENV, timeout=_MINUTES)
