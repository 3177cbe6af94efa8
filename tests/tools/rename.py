"""
Applies the table of renames (``docs/renames.tsv``) to a folder: a checkout of the project or any other.

    python -m tests.tools.rename --apply FOLDER [--rows FILE] [--dry-run]

What people wrote against older names (policies, scripts, tests of their own) is carried over with it. All rows are
applied at the same time, and once: a second time would go on where a new name is another's old one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.tools.renames import OUTSIDE, TABLE, Renames, read
from tests.tools.rewrite import plain, python

TEXTS: Final = (".md", ".yaml", ".yml", ".json", ".toml", ".sh", ".txt", ".tsv", ".html", ".js", ".css", ".mk", ".conf")
SKIPPED: Final = frozenset(
    {".git", ".venv", "build", "vendor", "__pycache__", ".mypy_cache", ".ruff_cache", "renames.tsv", "compat"}
)
KEPT_HISTORY: Final = ("CHANGELOG.md", "docs/adr/", "tests/streams/", "tests/tools/", "tests/unit/tools/")


def files(folder: Path) -> Iterator[Path]:
    """The texts below a folder: in a checkout those that git knows, else all."""
    if (folder / ".git").exists():
        listed = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "-z", "-co", "--exclude-standard"],
            check=True, capture_output=True, text=True,
        ).stdout.split("\0")  # fmt: skip
        candidates = [folder / name for name in listed if name]
    else:
        candidates = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in candidates:
        parts = path.relative_to(folder).parts
        if SKIPPED.isdisjoint(parts) and path.exists() and not path.is_symlink():
            yield path


def apply(folder: Path, renames: Renames, *, write: bool = True) -> list[Path]:
    """Rewrite the texts and move the files of a folder; returns what changed, under the old names."""
    ours = (folder / "observer").is_dir()
    changed = []
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if ours and name.startswith(KEPT_HISTORY):
            continue
        is_python = path.suffix == ".py"
        if not is_python and path.suffix not in TEXTS and path.name not in ("Makefile", "run"):
            continue
        try:
            old = path.read_text()
        except UnicodeDecodeError:
            continue
        place = name if ours else OUTSIDE + name
        try:
            new = python(old, renames, place) if is_python else plain(old, renames, place)
        except SyntaxError as exc:
            raise SystemExit(f"{name}: {exc}") from exc
        if new != old:
            changed.append(path)
            if write:
                path.write_text(new)
    if write and ours:
        move(folder, renames)
    return changed


def move(folder: Path, renames: Renames) -> None:
    """Move modules and other files to their new places, those deep inside a package before the package."""
    rows = sorted((row for row in renames.rows if row.kind in ("module", "path")), key=lambda row: -row.old.count("."))
    pairs: list[tuple[Path, Path]] = []
    for row in rows:
        if row.kind == "path":
            pairs.append((folder / row.old, folder / row.new))
        else:
            stem, goal = folder / row.old.replace(".", "/"), folder / row.new.replace(".", "/")
            pairs += [(stem.with_name(f"{stem.name}.py"), goal.with_name(f"{goal.name}.py")), (stem, goal)]
    # What is there before the first move: a package that a move makes is no source of another.
    for source, goal in [pair for pair in pairs if pair[0].exists()]:
        inside = sorted(source.rglob("*.py")) if source.is_dir() else [source]
        for inner in inside:
            _move(folder, inner, goal / inner.relative_to(source) if inner != source else goal)
        if source.is_dir() and not any(source.rglob("*.py")):
            shutil.rmtree(source)


def _move(folder: Path, source: Path, goal: Path) -> None:
    if goal.exists() and not (goal.name == "__init__.py" and not goal.read_text()):
        return
    goal.parent.mkdir(parents=True, exist_ok=True)
    if goal.is_relative_to(folder / "observer"):
        for package in goal.relative_to(folder).parents[:-1]:
            (folder / package / "__init__.py").touch()
    source.rename(goal)


def main() -> int:
    """Read the command line and apply."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apply", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--rows", type=Path, default=TABLE)
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    changed = apply(given.apply.resolve(), read(given.rows), write=not given.dry_run)
    print(f"{len(changed)} files {'would change' if given.dry_run else 'changed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
