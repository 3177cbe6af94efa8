"""The policies and objectives that a test file is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from observer.config.documents.faults import Fault, refuse
from observer.config.documents.marks import read_text
from observer.config.policies.load import PolicyFile, policy_files
from observer.config.reload import Rules, rules_from
from observer.config.settings.model import SHIPPED, Settings
from observer.config.settings.read import default, load
from observer.domain.action import Mode
from observer.policytest.read import TestFile, read_tests


def read_file(path: Path) -> list[TestFile]:
    """The tests of one file. Raises: ConfigError with every fault."""
    text = read_text(path)
    if isinstance(text, Fault):
        refuse([text])
    tests, faults = read_tests(text, str(path))
    if faults:
        refuse(faults)
    return tests


def rules_for(test: TestFile, at: float, mode: Mode | None) -> Rules:
    """
    What the test's ``rules`` name and what stands beside it in its own file, over the settings that it names.

    ``at`` is the beginning of the test, Unix seconds, for calendar windows; ``mode`` replaces that of the settings.
    Raises: ConfigError with every fault of every file.
    """
    settings = _settings(test)
    if mode is not None:
        settings = replace(settings, engine=replace(settings.engine, mode=mode))
    return rules_from([*_named(test), PolicyFile(Path(test.document.file), tests=True)], settings, at)


def _settings(test: TestFile) -> Settings:
    if not test.settings:
        return default()
    path = _beside(test, test.settings)
    if not path.is_file():
        refuse([test.document.fault(("settings",), f"{path} is no file")])
    return load(path)


def _named(test: TestFile) -> Sequence[PolicyFile]:
    found: dict[Path, PolicyFile] = {}
    faults = []
    for name, place in test.rules:
        wanted = name if name == SHIPPED else str(_beside(test, name))
        if name != SHIPPED and not Path(wanted).exists():
            faults.append(place.fault("rules", f"{wanted} does not exist", "paths begin at the folder of the test"))
            continue
        for file in policy_files([wanted]):
            if file.path.resolve() != Path(test.document.file).resolve():
                found.setdefault(file.path.resolve(), file)
    if faults:
        refuse(faults)
    return list(found.values())


def _beside(test: TestFile, name: str) -> Path:
    return Path(test.document.file).parent / name
