"""The health summary on its way to one of the receivers that the settings name under ``notify``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from observer.config.model import Settings
from observer.config.outlets import NotifyKind
from observer.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A summary in every form that a receiver may want: Slack's blocks, JSON for machines, lines for all others."""

    title: str
    severity: str
    blocks: Mapping[str, object]
    body: Mapping[str, object]
    lines: Sequence[str]


async def send_report(settings: Settings, receiver: str, report: Outgoing) -> None:
    """
    Send it to the receiver of that name, with the patience that its section gives.

    Raises: ConfigError when there is none of that name, SourceUnavailable when it did not take it.
    """
    import msgspec

    from observer.app.outlets import receiver as receiver_of
    from observer.config.messages import PLAIN, Message
    from observer.runtime.clock import SystemClock
    from observer.sinks.notify import AppriseSender

    wanted = next((one for one in settings.notify if one.name == receiver), None)
    if wanted is None:
        known = ", ".join(one.name for one in settings.notify) or "none: add `notify` to them"
        raise ConfigError(f"--send {receiver}: the settings name no such receiver; there is {known}")
    section = f"notify.{wanted.name}"
    if wanted.kind is NotifyKind.APPRISE:
        sender = AppriseSender(wanted.url_file, Message(PLAIN), section=section, timeout=wanted.patience)
        await sender.send(_facts(report))
        return
    body = report.blocks if wanted.kind is NotifyKind.SLACK else report.body
    box = receiver_of(wanted, section, SystemClock())
    try:
        await box.deliver(msgspec.json.encode(body), {"Content-Type": "application/json"})
    finally:
        await box.close()


def _facts(report: Outgoing) -> dict[str, object]:
    """What a template of notifications sees."""
    return {
        "title": report.title,
        "severity": report.severity,
        "group": "report",
        "more": 0,
        "links": {},
        "decisions": [{"text": line} for line in report.lines],
    }
