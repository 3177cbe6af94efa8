"""What went wrong, with which exit code, and what a person does next."""

from __future__ import annotations

from typing import Final

from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, EXIT_UNREACHABLE
from observer.cli.paint import harmless
from observer.domain.errors import (
    AuditBroken,
    ConfigError,
    JournalUnavailable,
    ObserverError,
    RecordingError,
    SwitchChanged,
)

_STEPS: Final = (
    (
        JournalUnavailable,
        EXIT_UNREACHABLE,
        "`journal` of the settings names it; --config or $OBSERVER_CONFIG names them",
    ),
    (AuditBroken, EXIT_UNREACHABLE, "`observer audit verify` names file and line"),
    (RecordingError, EXIT_BAD_INPUT, "name another file, or make one with `observer record`"),
)
_AGAIN: Final = "`observer status` says how it stands; if you still mean it, say it again"
_DOCTOR: Final = "`observer doctor` asks each source and says what to do"
_OPTION: Final = "--help of the command shows its options"
_CLUSTER: Final = "from outside the cluster, name a kubeconfig: `kubernetes.kubeconfig` of the settings"
_FILE: Final = "mend it; `observer check` says when everything can be read"


class DoorError(ObserverError):
    """The daemon could not be asked; ``step`` is what a person does next."""

    def __init__(self, detail: str, step: str) -> None:
        super().__init__(detail)
        self.step = step


class NobodyThere(DoorError):
    """Nothing answers at that address."""


def told(exc: ObserverError) -> tuple[str, int, str]:
    """Message, exit code and next step."""
    if isinstance(exc, DoorError):
        return str(exc), EXIT_UNREACHABLE, exc.step
    if isinstance(exc, ConfigError):
        return str(exc), EXIT_BAD_INPUT, _corrected(str(exc))
    if isinstance(exc, SwitchChanged):
        return harmless(str(exc)), EXIT_FINDINGS, _AGAIN
    for kind, code, step in _STEPS:
        if isinstance(exc, kind):
            return _named(exc), code, step
    return str(exc), EXIT_UNREACHABLE, _DOCTOR


def _named(exc: ObserverError) -> str:
    return f"journal: {exc}" if isinstance(exc, JournalUnavailable) else str(exc)


def _corrected(message: str) -> str:
    """What mends a ConfigError of this message."""
    if message.startswith("kubernetes: not usable from inside a pod"):
        return _CLUSTER
    return _OPTION if message.startswith(("--", "'", "POD:", "INCIDENT:", "$")) else _FILE
