"""Settings of notifications: receivers of events, Alertmanager, collectors, people; and the links they get."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator

from observer.config.documents.values import FILE, HEADERS, NAME, URL, Check, Words, wrong
from observer.config.settings.links import check_link
from observer.config.settings.message_templates import check_template
from observer.config.settings.sources import LOGIN, MORE_HEADERS, ONE_REQUEST, HttpAuth
from observer.domain import names
from observer.domain.kinds import Kind
from observer.domain.settings import Setting, seconds
from observer.domain.severities import Severity
from observer.engine.remediation.silences import LONGEST_SECONDS

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TAKEN: Final = frozenset({"alertname", "namespace", "pod", "workload", "service", "cluster", names.ALERT_INCIDENT})


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


_KIND = Words(tuple(Kind))
_LINK = Check(check_link)
_LABELS = AfterValidator(_check_labels)


class EventMode(StrEnum):
    """How a CloudEvent travels: as one JSON document, or as headers and its data as the body."""

    STRUCTURED = "structured"
    BINARY = "binary"


class NotifyKind(StrEnum):
    """Who reads a notification: Slack (or what speaks like it), a machine, or whatever apprise reaches."""

    SLACK = "slack"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


class GroupBy(StrEnum):
    """What decisions that come close together must share to be one message."""

    INCIDENT = "incident"
    WORKLOAD = "workload"
    NAMESPACE = "namespace"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CloudEventSettings:
    """Where CloudEvents go. Empty ``url`` and ``url_file`` = nowhere."""

    url: Annotated[str, Setting("Address that every decision is posted to; empty = no events."), URL] = ""
    url_file: Annotated[str, Setting("File that holds the address, where it is a secret itself."), FILE] = ""
    mode: Annotated[
        EventMode, Setting("structured: one JSON document; binary: attributes as headers, the data as the body.")
    ] = EventMode.STRUCTURED
    source: Annotated[
        str, Setting("Attribute source of the events; empty = /observer/CLUSTER."), Check(_check_source)
    ] = ""
    kinds: Annotated[tuple[Annotated[str, _KIND], ...], Setting("Kinds of decisions that are sent; empty = all.")] = ()
    timeout: Annotated[float, ONE_REQUEST] = 5.0
    patience: Annotated[
        float, seconds("How long one event is tried again; the answer 410 stops for good.", 0, 10 * _MINUTE)
    ] = 60.0
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[HttpAuth, LOGIN] = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """Alertmanager as a receiver of pages and silences. No ``urls`` = not used."""

    urls: Annotated[
        tuple[Annotated[str, URL], ...], Setting("Addresses of all replicas; each gets every alert. Empty = not used.")
    ] = ()
    pages: Annotated[bool, Setting("Pages become alerts that last until their incident ends.")] = True
    silences: Annotated[
        bool, Setting("Silence the own alerts of a pod that is evicted; never one of an objective or of Observer.")
    ] = False
    silence_seconds: Annotated[
        float, seconds("Longest time of such a silence; the verification ends it.", 1, LONGEST_SECONDS)
    ] = 300.0
    refresh: Annotated[float, seconds("How often a page that lasts is sent again.", 1, _HOUR / 4)] = 60.0
    labels: Annotated[
        dict[str, str], Setting("Labels that are added to every page: {team: platform, severity: critical}."), _LABELS
    ] = field(default_factory=dict)
    timeout: Annotated[float, ONE_REQUEST] = 5.0
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[HttpAuth, LOGIN] = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """One receiver of notifications. A page waits for nothing."""

    name: Annotated[str, Setting("Name of the receiver in status, metrics and logs."), NAME] = "people"
    kind: Annotated[
        NotifyKind, Setting("slack, webhook, or apprise for whatever apprise reaches (pip install 'observer[notify]').")
    ] = NotifyKind.WEBHOOK
    url: Annotated[str, Setting("Address, of a webhook only: others are secrets."), URL] = ""
    url_file: Annotated[str, Setting("File that holds the address; of apprise one a line."), FILE] = ""
    severity: Annotated[str, Setting("Least severity that is sent."), Words(tuple(Severity))] = "warning"
    kinds: Annotated[tuple[Annotated[str, _KIND], ...], Setting("Kinds of decisions that are sent; empty = all.")] = ()
    namespaces: Annotated[
        tuple[Annotated[str, NAME], ...], Setting("Namespaces whose decisions are sent; empty = all.")
    ] = ()
    group_by: Annotated[GroupBy, Setting("What decisions must share to become one message.")] = GroupBy.INCIDENT
    group_wait: Annotated[float, seconds("How long a message waits for more of its group.", 0, 10 * _MINUTE)] = 10.0
    group_interval: Annotated[float, seconds("Least time between two messages of one group.", 0, _HOUR)] = 60.0
    template_file: Annotated[
        str,
        Setting("File with a Jinja2 template of the message; docs/events.md has what it sees."),
        Check(check_template),
    ] = ""
    timeout: Annotated[float, ONE_REQUEST] = 5.0
    patience: Annotated[float, seconds("How long one message is tried again.", 0, 10 * _MINUTE)] = 60.0
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[HttpAuth, LOGIN] = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """What goes to ``otlp_endpoint``; needs the extra ``otlp``."""

    traces: Annotated[bool, Setting("Send traces: one an incident, one a tick.")] = True
    metrics: Annotated[bool, Setting("Send Observer's own metrics.")] = True
    interval: Annotated[float, seconds("Time between two exports of metrics.", 1, _HOUR)] = 60.0
    timeout: Annotated[float, ONE_REQUEST] = 10.0
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[HttpAuth, LOGIN] = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Addresses with ``{fields}`` that go with all that people get; a link with an empty field is left out."""

    page: Annotated[str, Setting("Observer's page: https://observer.example/incidents/{incident}."), _LINK] = ""
    grafana: Annotated[
        str,
        Setting("Grafana: https://grafana.example/d/observer?var-namespace={namespace}&from={from_ms}&to={to_ms}."),
        _LINK,
    ] = ""
    jaeger: Annotated[str, Setting("Jaeger: https://jaeger.example/trace/{trace_id}."), _LINK] = ""
    kiali: Annotated[
        str, Setting("Kiali: https://kiali.example/console/namespaces/{namespace}/workloads/{workload}."), _LINK
    ] = ""
    runbook: Annotated[str, Setting("A runbook: https://wiki.example/observer/{kind}."), _LINK] = ""
