"""What README, ARCHITECTURE and CONTRIBUTING claim of the code is so."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
import yaml
from hypothesis import settings

from observer.cli.application import app
from observer.config.policies.load import load
from observer.config.settings.read import default

ROOT = Path(__file__).parents[2]
README, ARCHITECTURE, CONTRIBUTING = (
    (ROOT / f"{name}.md").read_text() for name in ("README", "ARCHITECTURE", "CONTRIBUTING")
)
PACKAGES = sorted(path.parent.name for path in (ROOT / "observer").glob("*/__init__.py"))


def commands() -> dict[str, set[str]]:
    """Every command of ``observer`` with its options."""
    importlib.import_module("observer.cli.main")
    root = typer.main.get_command(app)
    found: dict[str, set[str]] = {}

    def walk(command: object, name: str) -> None:
        for inner_name, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {inner_name}".strip())
        found[name] = {option for one in getattr(command, "params", []) for option in getattr(one, "opts", [])}

    walk(root, "")
    return found


def test_commands_of_the_readme_exist_with_their_options() -> None:
    known = commands()
    named = re.findall(r"`observer ([^`]+)`", README)
    assert len(named) > 15
    for text in named:
        words = text.split()
        command = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
        assert command, text
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known[command], text


def test_the_policy_of_the_readme_is_one(tmp_path: Path) -> None:
    block = next(block for block in re.findall(r"\n\n((?:    .*\n)+)", README) if "kind: HealthPolicy" in block)
    path = tmp_path / "cart.yaml"
    path.write_text(re.sub("^    ", "", block, flags=re.MULTILINE))
    assert yaml.safe_load(path.read_text())["metadata"] == {"name": "cart"}
    rules = load(replace(default(), policies=("shipped", str(path))))
    assert "cart" in {policy.name for policy in rules.policies}


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text()):
        assert (ROOT / target).exists(), target


def test_commands_of_make_are_targets_and_checks_are_what_they_say() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)", README + CONTRIBUTING + ARCHITECTURE))
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    recipe = makefile.split("\ncheck:")[1].split("\n\n")[0]
    told = re.search(r"^\| `make check` \| (.*) \|$", CONTRIBUTING, re.MULTILINE)
    assert told is not None
    run = re.findall(r"\$\(BIN\)/([a-z-]+)", recipe)
    names = {"lint-imports": "import-linter"}
    assert told[1].split(", ") == list(dict.fromkeys(names.get(one, one) for one in run))


def inside(package: str) -> set[str]:
    """What can be named of a package: files, folders, and what they define at the top."""
    names = set()
    for path in (ROOT / "observer" / package).rglob("*.py"):
        names |= {path.stem, path.parent.name}
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_what_the_architecture_names_of_a_package_is_in_it(package: str) -> None:
    row = re.search(rf"^\| `observer/{package}/` \| (.*) \|$", ARCHITECTURE, re.MULTILINE)
    assert row is not None
    for name in re.findall(r"`([a-z_]+)`", row[1]):
        assert name in inside(package), name


def test_modules_that_the_walk_of_a_sample_names_exist() -> None:
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)})\.[a-z_.]+)(?:\(.*?\))?`", ARCHITECTURE)
    assert len(named) > 8
    for name in named:
        assert resolves(f"observer.{name}"), name


def resolves(name: str) -> bool:
    """A module, a name of a module, or a name of one of a package's modules."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    home, _, last = name.rpartition(".")
    return ROOT.joinpath(*home.split(".")).exists() and last in inside(home.partition(".")[2].replace(".", "/"))


def test_unit_tests_have_a_folder_for_each_package_they_are_about() -> None:
    folders = {path.name for path in (ROOT / "tests" / "unit").iterdir() if any(path.glob("**/test_*.py"))}
    assert folders - set(PACKAGES) <= {"lab", "support", "tools"}


def test_laws_are_drawn_and_the_longer_look_exists() -> None:
    for path in (ROOT / "tests" / "property").glob("test_*.py"):
        assert "from hypothesis import" in path.read_text(), path.name
    assert settings.get_profile("thorough").max_examples > settings.get_profile("house").max_examples
    assert settings.get_profile("house").derandomize


def test_contract_tests_are_one_suite_for_several() -> None:
    for path in (ROOT / "tests" / "contract").glob("test_*.py"):
        assert re.search(r"params=|parametrize\(|needs\(", path.read_text()), path.name


def code() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted((ROOT / "observer").rglob("*.py")):
        yield path.relative_to(ROOT / "observer").as_posix(), ast.parse(path.read_text())


def test_labels_annotations_and_metrics_are_spelled_in_one_place() -> None:
    """The simulator speaks for others; a document's ``apiVersion`` is neither label nor metric."""
    ours = re.compile(r"(observer_[a-z_]+|observer\.dev/(?!v1)[\w.-]+|istio\.io/draining)\Z")
    found = [
        f"{name}: {node.value}"
        for name, tree in code()
        if name != "domain/names.py" and not name.startswith("simulator/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ours.match(node.value)
    ]
    assert found == []


def test_every_module_says_what_it_is() -> None:
    assert [name for name, tree in code() if isinstance(tree, ast.Module) and ast.get_docstring(tree) is None] == []
