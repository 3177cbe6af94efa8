"""The settings of whoever is told: receivers of events, Alertmanager, collectors, people; and the links they get."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from observer.config.settings.auth import HttpAuth


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
    """
    Where CloudEvents go. Empty ``url`` and ``url_file`` = nowhere; ``url_file`` holds an address that is a secret.

    ``source`` is the events' source, empty = ``/observer/CLUSTER``; ``kinds`` empty = all; ``patience`` is how long one
    event is tried again.
    """

    url: str = ""
    url_file: str = ""
    mode: EventMode = EventMode.STRUCTURED
    source: str = ""
    kinds: tuple[str, ...] = ()
    timeout: float = 5.0
    patience: float = 60.0
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """
    Alertmanager as one who is told. No ``urls`` = not told.

    Every one of ``urls`` gets the alerts. ``refresh`` is how often a standing page is sent again; ``silences`` lets
    Observer silence the own alerts of a pod that it evicts, for ``silence_seconds`` at most; ``labels`` are added to
    every page.
    """

    urls: tuple[str, ...] = ()
    pages: bool = True
    silences: bool = False
    silence_seconds: float = 300.0
    refresh: float = 60.0
    labels: dict[str, str] = field(default_factory=dict)
    timeout: float = 5.0
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """
    One receiver of notifications.

    ``severity`` is the least that it hears of; ``kinds`` and ``namespaces`` empty = all. Messages wait ``group_wait``
    for more of the same group and come at most every ``group_interval``; a page waits for nothing.
    """

    name: str = "people"
    kind: NotifyKind = NotifyKind.WEBHOOK
    url: str = ""
    url_file: str = ""
    severity: str = "warning"
    kinds: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    group_by: GroupBy = GroupBy.INCIDENT
    group_wait: float = 10.0
    group_interval: float = 60.0
    template_file: str = ""
    timeout: float = 5.0
    patience: float = 60.0
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """What goes to ``otlp_endpoint``: traces of incidents and ticks, and Observer's own metrics every ``interval``."""

    traces: bool = True
    metrics: bool = True
    interval: float = 60.0
    timeout: float = 10.0
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Addresses with ``{fields}``, given with everything that people are told; ``config.links`` has the fields."""

    page: str = ""
    grafana: str = ""
    jaeger: str = ""
    kiali: str = ""
    runbook: str = ""
