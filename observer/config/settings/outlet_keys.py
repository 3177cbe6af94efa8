"""What may be written into each section about those who are told."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Strict

from observer.config.documents.values import (
    choice,
    dns_label,
    headers,
    http_url,
    many,
    readable_file,
    seconds,
    text,
    word,
    wrong,
)
from observer.config.settings.auth import HttpAuth
from observer.config.settings.links import check_link
from observer.config.settings.message_templates import check_template
from observer.config.settings.notifications import (
    AlertmanagerSettings,
    CloudEventSettings,
    EventMode,
    GroupBy,
    LinkSettings,
    NotifyKind,
    NotifySettings,
    OtlpSettings,
)
from observer.domain import names
from observer.domain.kinds import Kind
from observer.domain.severities import Severity
from observer.engine.remediation.silences import LONGEST_SECONDS

Switch = Annotated[bool, Strict()]
_MINUTE, _HOUR = 60.0, 3600.0
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _check_labels(value: dict[str, str]) -> dict[str, str]:
    for name, content in value.items():
        if not _LABEL.fullmatch(name) or name in _TAKEN:
            raise wrong(f"{name} is not a label that may be added", f"{', '.join(sorted(_TAKEN))} are Observer's own")
        if not content:
            raise wrong(f"label {name} is empty", "an empty label is none")
    return value


def _check_source(value: str) -> str | None:
    fits = bool(re.fullmatch(r"[!-~]+", value)) and not set(value) & set('"<>\\^`{|}')
    return None if fits else "must be a URI reference such as /observer/east, without spaces"


_TAKEN = frozenset({"alertname", "namespace", "pod", "workload", "service", "cluster", names.ALERT_INCIDENT})
_KINDS = many(word(*Kind))
_CLOUDEVENTS: dict[str, Any] = {
    "url": http_url(empty=True),
    "url_file": readable_file(),
    "mode": choice(EventMode),
    "source": text(_check_source, empty=True),
    "kinds": _KINDS,
    "timeout": seconds(0.1, _MINUTE),
    "patience": seconds(0, 10 * _MINUTE),
    "headers": headers(),
    "auth": HttpAuth,
}
_ALERTMANAGER: dict[str, Any] = {
    "urls": many(http_url()),
    "pages": Switch,
    "silences": Switch,
    "silence_seconds": seconds(1, LONGEST_SECONDS),
    "refresh": seconds(1, _HOUR / 4),
    "labels": Annotated[dict[str, str], AfterValidator(_check_labels)],
    "timeout": seconds(0.1, _MINUTE),
    "headers": headers(),
    "auth": HttpAuth,
}
_NOTIFY: dict[str, Any] = {
    "name": dns_label(),
    "kind": choice(NotifyKind),
    "url": http_url(empty=True),
    "url_file": readable_file(),
    "severity": word(*Severity),
    "kinds": _KINDS,
    "namespaces": many(dns_label()),
    "group_by": choice(GroupBy),
    "group_wait": seconds(0, 10 * _MINUTE),
    "group_interval": seconds(0, _HOUR),
    "template_file": text(check_template, empty=True),
    "timeout": seconds(0.1, _MINUTE),
    "patience": seconds(0, 10 * _MINUTE),
    "headers": headers(),
    "auth": HttpAuth,
}
_OTLP: dict[str, Any] = {
    "traces": Switch,
    "metrics": Switch,
    "interval": seconds(1, _HOUR),
    "timeout": seconds(0.1, _MINUTE),
    "headers": headers(),
    "auth": HttpAuth,
}
_LINK = text(check_link, empty=True)

OUTLETS: Final[dict[type, dict[str, Any]]] = {
    CloudEventSettings: _CLOUDEVENTS,
    AlertmanagerSettings: _ALERTMANAGER,
    NotifySettings: _NOTIFY,
    OtlpSettings: _OTLP,
    LinkSettings: {"page": _LINK, "grafana": _LINK, "jaeger": _LINK, "kiali": _LINK, "runbook": _LINK},
}
"""By the dataclass that they fill."""
