"""What documents say about the repository is true, and nothing of a machine is in it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def packages() -> set[str]:
    return {path.parent.name for path in (ROOT / "observer").glob("*/__init__.py")}


def test_the_architecture_lists_the_packages_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()

    listed = re.findall(r"^\| `observer/(\w+)/` \|", text, re.MULTILINE)
    assert sorted(listed) == listed
    assert set(listed) == packages()
    picture = text.split("## Layers")[1].split("| package |")[0]
    assert all(re.search(rf"\b{name}\b", picture) for name in packages())


def test_every_package_is_placed_in_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")

    placed = set(re.findall(r"\w+", " ".join(layers["layers"])))
    assert packages() <= placed
    assert layers["exhaustive"]
    required = set(re.findall(r"(?<!\()\b\w+\b(?!\))", " ".join(layers["layers"])))
    assert required - {"app"} <= packages()


def test_every_package_holds_code_and_says_what_it_is() -> None:
    for name in packages():
        folder = ROOT / "observer" / name
        assert (folder / "__init__.py").read_text().startswith('"""')
        assert sum(len(path.read_text().splitlines()) for path in folder.rglob("*.py")) > 40


def test_decisions_are_numbered_without_gaps() -> None:
    files = sorted((ROOT / "docs" / "adr").glob("*.md"))

    assert [int(path.name[:4]) for path in files] == list(range(1, len(files) + 1))
    for path in files:
        text = path.read_text()
        assert text.startswith(f"# {int(path.name[:4])}. ")
        assert all(f"## {part}\n" in text for part in ("Context", "Decision", "Consequences"))


def test_the_makefile_tells_its_targets_and_they_are_few() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):.*?(##.*)?$", text, re.MULTILINE)

    assert {"demo", "test", "check", "lab", "bench"} <= {name for name, _ in targets}
    assert len(targets) <= 12
    assert [name for name, told in targets if not told] == []


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_paths_that_documents_name_exist(name: str) -> None:
    text = (ROOT / name).read_text()

    for path in re.findall(r"`((?:docs|deploy|tests|observer|\.ci)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


def test_locked_requirements_agree_and_carry_hashes() -> None:
    pins: dict[str, set[str]] = {}
    for name in ("runtime", "dev", "build"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        # An extra (name[extra]) that only the tests ask for is the same version of the same package.
        found = re.findall(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^ ;]+)", text, re.MULTILINE)
        pins[name] = {f"{package}=={version}" for package, version in found}
        assert pins[name]
        for block in re.split(r"\n(?=[a-z0-9])", text.strip()):
            assert "--hash=sha256:" in block

    assert pins["runtime"] <= pins["dev"]
    versions = dict(pin.split("==") for pin in sorted(pins["dev"]))
    assert all(versions.get(name, version) == version for name, version in (pin.split("==") for pin in pins["build"]))


def test_no_tracked_file_names_a_package_index_or_a_machine() -> None:
    # Spelled in parts, so that this file does not find itself.
    hosts = ["py" + "pi.org", "python" + "hosted", "registry.npm" + "js", "proxy.gol" + "ang", "deb." + "debian.org"]
    folders = ["/" + "work/", "/ro" + "ot/", "/ho" + "me/", "/opt/obs" + "erver", "/Us" + "ers/"]
    wanted = re.compile("|".join([*map(re.escape, hosts), *(rf"(?<![\w.\])}}]){re.escape(f)}" for f in folders)]))
    options = re.compile(r"^\s*(--index-url|--extra-index-url|--find-links|-i |-f )", re.MULTILINE)

    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data[:4096]:
            continue
        text = data.decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in wanted.finditer(text)]
        if path.parent.name == "requirements":
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in options.finditer(text)]
    assert found == []


def test_lock_files_with_addresses_are_ignored() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert {"uv.lock", "pylock.toml", ".venv"} <= set(ignored)
    assert not {"uv.lock", "pylock.toml"} & {path.name for path in tracked()}
