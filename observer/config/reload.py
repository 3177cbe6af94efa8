"""What of the files in force may be exchanged while the daemon runs, and what needs a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from observer.config.documents.faults import refuse
from observer.config.openslo.documents import read_documents
from observer.config.openslo.wanted import ObjectiveSet, objective_set
from observer.config.policies.effective import PolicySet
from observer.config.policies.load import PolicyFile, compile_set, policy_files, read_sources
from observer.config.settings.model import Settings
from observer.config.settings.read import default, identity, load
from observer.domain.errors import ConfigError
from observer.domain.settings import EngineSettings

RELOADED = ("mode", "impact", "escalation", "guards")
"""Engine settings that may change between two ticks. Tick and detection shape the arrays of the detectors."""


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Settings, policies and objectives that were checked together."""

    settings: Settings
    policies: PolicySet
    objectives: ObjectiveSet = field(default_factory=ObjectiveSet)

    @property
    def identity(self) -> str:
        """Of everything that decides."""
        parts = (self.settings.engine.identity, self.policies.identity, self.objectives.identity)
        return "-".join(part for part in parts if part)


def read_rules(path: Path | None, at: float) -> Rules:
    """
    Settings file (None = the built-in defaults) and everything its ``policies`` name; ``at`` is now, Unix seconds.

    Raises: ConfigError with every fault.
    """
    return rules_of(load(path) if path is not None else default(), at)


def rules_of(settings: Settings, at: float) -> Rules:
    """The policies and objectives that settings name. Raises: ConfigError with every fault of every file."""
    return rules_from(policy_files(settings.policies), settings, at)


def rules_from(files: Sequence[PolicyFile], settings: Settings, at: float) -> Rules:
    """The policies and objectives of some files over settings. Raises: ConfigError with every fault of every file."""
    settings, _ = merged(settings, settings)  # with the identity of what they say, whoever made them
    documents, unread = read_documents([file.path for file in files])
    faults = list(unread)
    try:
        objectives = objective_set(documents, at=at, cluster=settings.cluster)
    except ConfigError as exc:
        raise ConfigError("\n".join([*map(str, faults), str(exc)])) from exc
    if faults:
        refuse(faults)
    policies = compile_set(read_sources(files), settings, objectives=objectives.names)
    return Rules(settings, policies, objectives)


def merged(running: Settings, wanted: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The running settings with what may be exchanged of ``wanted``, and the keys that differ and need a restart."""
    guards = replace(wanted.engine.guards, own_namespace=running.own_namespace)
    engine = replace(
        running.engine,
        mode=wanted.engine.mode,
        impact=wanted.engine.impact,
        escalation=wanted.engine.escalation,
        guards=guards,
    )
    settings = replace(running, engine=engine, policies=wanted.policies)
    settings = replace(settings, engine=replace(engine, identity=identity(settings)))
    return settings, tuple(_differing(running, wanted))


def _differing(running: Settings, wanted: Settings) -> list[str]:
    retained = [item.name for item in fields(EngineSettings) if item.name not in (*RELOADED, "identity")]
    found = [name for name in retained if getattr(running.engine, name) != getattr(wanted.engine, name)]
    others = [item.name for item in fields(Settings) if item.name not in ("engine", "policies")]
    return found + [name for name in others if getattr(running, name) != getattr(wanted, name)]


class FileWatch:
    """Implements ``ports.files.EditedFiles``: looks at times and sizes, and reads again only what they say moved."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stats: dict[Path, tuple[int, int, int]] = {}
        self._texts: dict[Path, str] = {}
        self._last: str | None = None

    def changed(self, wanted: Sequence[str]) -> bool:
        """See the port; the first call only remembers."""
        digest = self._digest(wanted)
        before, self._last = self._last, digest
        return before is not None and before != digest

    def _digest(self, wanted: Sequence[str]) -> str:
        files = [self._path] if self._path is not None else []
        try:
            files += [file.path for file in policy_files(wanted)]
            missing = ""
        except ConfigError as exc:
            missing = str(exc)
        parts = [f"{file}={self._text(file)}" for file in files]
        return hashlib.sha256("\n".join([*parts, missing]).encode()).hexdigest()

    def _text(self, file: Path) -> str:
        """Hash of the content; empty when it cannot be read."""
        try:
            found = file.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._stats.get(file) != stamp:
                self._texts[file] = hashlib.sha256(file.read_bytes()).hexdigest()
                self._stats[file] = stamp
        except OSError:
            self._stats.pop(file, None)
            return ""
        return self._texts[file]
