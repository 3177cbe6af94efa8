"""What went wrong, with which exit code, and what a person does next."""

from __future__ import annotations

from typing import Final

from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, EXIT_UNREACHABLE, harmless
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
_AGAIN: Final = "`observer status` shows the switch now; if you still want it, run the command again"
_DOCTOR: Final = "`observer doctor` asks each source and says what to do"
_OPTION: Final = "--help of the command shows its options"
_CLUSTER: Final = "from outside the cluster, name a kubeconfig: `kubernetes.kubeconfig` of the settings"
_FILE: Final = "fix the errors, then run `observer check`"
_NAMED: Final = (
    ("No such file or directory", "name one that is there"),
    ("does not exist", "name one that is there"),
    ("Is a directory", "name a file in it"),
    ("Not a directory", "name a folder that is one, or can be made"),
    ("File exists", "name a folder, or one that can be made"),
    ("Permission denied", "let this user read and write it, or name another"),
)
"""How messages of the system end, and what helps."""


class ApiError(ObserverError):
    """The daemon could not be asked; ``step`` is what a person does next."""

    def __init__(self, detail: str, step: str) -> None:
        super().__init__(detail, step=step)


class DaemonUnreachable(ApiError):
    """Nothing answers at that address."""


def described(exc: ObserverError) -> tuple[str, int, str]:
    """Message, exit code and next step."""
    if isinstance(exc, ApiError):
        return str(exc), EXIT_UNREACHABLE, exc.step
    if isinstance(exc, ConfigError):
        return str(exc), EXIT_BAD_INPUT, exc.step or _corrected(str(exc))
    if isinstance(exc, SwitchChanged):
        return harmless(str(exc)), EXIT_FINDINGS, _AGAIN
    for kind, code, step in _STEPS:
        if isinstance(exc, kind):
            return _named(exc), code, exc.step or step
    return str(exc), EXIT_UNREACHABLE, exc.step or _DOCTOR


def sole(group: ExceptionGroup) -> ObserverError | None:
    """
    What a person is told of a group of tasks that ended together: the first of Observer's own errors.

    None when there is anything else in it: that is a bug, whose traceback must be seen.
    """
    own, other = group.split(ObserverError)
    if own is None or other is not None:
        return None
    first: ObserverError | ExceptionGroup[ObserverError] = own
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


def _named(exc: ObserverError) -> str:
    return f"journal: {exc}" if isinstance(exc, JournalUnavailable) else str(exc)


def _corrected(message: str) -> str:
    """What fixes a ConfigError of this message."""
    if message.startswith("kubernetes: not usable from inside a pod"):
        return _CLUSTER
    for ending, step in _NAMED:
        if message.endswith(ending):
            return step
    return _OPTION if message.startswith(("--", "'", "POD:", "INCIDENT:", "$")) else _FILE
