"""
Takes the scripts of others that the page draws with, and packs them beside our own: ``make page``.

Versions and hashes stand here; what npm delivers is believed only with the right hash. Nothing of it is kept in the
repository. ``--tests`` also takes what only the tests use.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "observer" / "web" / "page" / "static" / "vendor"
BUILD = ROOT / "build" / "page"
VERSIONS = {"uplot": "1.6.32", "cytoscape": "3.34.4", "axe-core": "4.14.1"}


@dataclass(frozen=True)
class Wanted:
    """One file of a package, where it goes, and the SHA-256 that it must have."""

    package: str
    file: str
    target: Path
    digest: str


PAGE = (
    Wanted(
        "uplot",
        "dist/uPlot.iife.min.js",
        VENDOR / "uplot.js",
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    ),
    Wanted(
        "uplot",
        "dist/uPlot.min.css",
        VENDOR / "uplot.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
    Wanted(
        "cytoscape",
        "dist/cytoscape.min.js",
        VENDOR / "cytoscape.js",
        "081591ab735b2b6a3b31a3c60f8f3a3e2fee8c92939e0c7820ad1208571b6cd8",
    ),
)
TESTS = (
    Wanted(
        "axe-core",
        "axe.min.js",
        BUILD / "axe.js",
        "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", action="store_true", help="also what only the tests use")
    wanted = (*PAGE, *(TESTS if parser.parse_args().tests else ()))
    names = sorted({one.package for one in wanted})
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        manifest = {"private": True, "dependencies": {name: VERSIONS[name] for name in names}}
        (place / "package.json").write_text(json.dumps(manifest))
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(  # noqa: S603  (a fixed command; npm is wherever the person has it)
            ["npm", "install", *options],  # noqa: S607
            cwd=place,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for one in wanted:
            take(one, (place / "node_modules" / one.package / one.file).read_bytes())
    return 0


def take(one: Wanted, data: bytes) -> None:
    """Keep a file. Raises: SystemExit when it is not the one that was looked at when its hash was written here."""
    found = hashlib.sha256(data).hexdigest()
    if found != one.digest:
        sys.exit(f"{one.package} {VERSIONS[one.package]}: {one.file} has SHA-256 {found}, expected {one.digest}")
    one.target.parent.mkdir(parents=True, exist_ok=True)
    one.target.write_bytes(data)
    sys.stdout.write(f"{one.target.relative_to(ROOT)}  {len(data):,} bytes\n")


if __name__ == "__main__":
    sys.exit(main())
