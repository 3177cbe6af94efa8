"""What may be raised across rooms. Expected answers are values (``Gap``, ``Blocked``, ``Outcome``), not errors."""

from __future__ import annotations


class ObserverError(Exception):
    """
    Root of every error that Observer raises on purpose.

    ``step``: what a person does next, where whoever raises knows it better than the kind of error says.
    """

    def __init__(self, detail: str = "", *, step: str = "") -> None:
        super().__init__(detail)
        self.step = step


class ConfigError(ObserverError):
    """A file a person wrote is wrong; the message names ``file:line:column`` for every fault found."""


class SourceUnavailable(ObserverError):
    """
    A source did not answer in time or said no; the tick records a ``Gap`` and asks again next time.

    ``reason`` is the gap's fixed word; the message is for people and never holds a credential.
    """

    def __init__(self, detail: str, *, reason: str = "unreachable") -> None:
        super().__init__(detail)
        self.reason = reason


class SourceProtocolError(ObserverError):
    """A source answered something that its API does not allow; loud once, a ``Gap`` (``reason``) every time."""

    def __init__(self, detail: str, *, reason: str = "protocol") -> None:
        super().__init__(detail)
        self.reason = reason


class ActuatorUnavailable(ObserverError):
    """It is unknown whether the write happened: the intent stays open and is looked up, not repeated."""


class SwitchChanged(ObserverError):
    """
    The kill switch is not as it was read any more: nothing was written. The message says what it says now and who
    said it, ``paused`` whether somebody's word stops Observer: a switch that is gone, or cannot be read, holds no word.
    """

    def __init__(self, detail: str, *, paused: bool) -> None:
        super().__init__(detail)
        self.paused = paused


class JournalUnavailable(ObserverError):
    """The journal cannot be written: nothing may be acted upon."""


class RecordingError(ObserverError):
    """A recording cannot be written or read; the message names the file and what is wrong with it."""


class AuditBroken(ObserverError):
    """The audit trail was changed, cut or is written by another process: nothing may be added to it."""


class DuplicateIntent(ObserverError):
    """The same act was intended before: whoever asks must look up what came of it."""


class LostLeadership(ObserverError):
    """The Lease is held by another: observe, do not act."""


class InvariantError(ObserverError):
    """A bug in Observer: the tick is abandoned and acting pauses, the process stays up."""
