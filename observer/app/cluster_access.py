"""Everything that writes, and what both halves of the loop need: API server, journal, Lease, kill switch."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.actuators.kill_switch import ConfigMapSwitch
    from observer.config.settings.model import Settings
    from observer.journal.store import SqlJournal
    from observer.kube.client import KubeApi
    from observer.ports.actuators import KillSwitch
    from observer.ports.sources import Clock
    from observer.ports.stores import ApprovalStore, Journal, Lease
    from observer.runtime.evidence import EvidenceStore
    from observer.runtime.execute import Executor
    from observer.sources.kubernetes.cluster import KubernetesCluster


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """What both the looking and the acting half of the loop need."""

    settings: Settings
    api: KubeApi
    clock: Clock
    cluster: KubernetesCluster
    journal: Journal
    lease: Lease
    switch: KillSwitch


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[KubeApi]:
    """The API server, closed afterwards."""
    from observer.kube.client import KubeApi

    kubernetes = settings.kubernetes
    api = KubeApi.of(kubeconfig=kubernetes.kubeconfig, context=kubernetes.context, timeout=kubernetes.timeout)
    try:
        yield api
    finally:
        await api.close()


def kill_switch(api: KubeApi, settings: Settings) -> ConfigMapSwitch:
    """The ConfigMap that stops every write."""
    from observer.actuators.kill_switch import ConfigMapSwitch

    return ConfigMapSwitch(api, namespace=settings.own_namespace)


def cluster_access(settings: Settings, api: KubeApi, clock: Clock, journal: Journal) -> ClusterAccess:
    return ClusterAccess(
        settings=settings,
        api=api,
        clock=clock,
        cluster=cluster(settings, api, clock),
        journal=journal,
        lease=lease(settings, api, clock),
        switch=kill_switch(api, settings),
    )


def cluster(settings: Settings, api: KubeApi, clock: Clock) -> KubernetesCluster:
    from random import Random

    from observer.sources.kubernetes.cluster import KubernetesCluster

    # Only back-off is drawn from it, so that replicas do not relist in step.
    return KubernetesCluster(api, settings.kubernetes, clock=clock, random=Random())  # noqa: S311


async def journal(settings: Settings) -> SqlJournal:
    from observer.journal.store import SqlJournal

    with journal_named(settings):
        return await SqlJournal.open(journal_url(settings))


@contextmanager
def journal_named(settings: Settings) -> Iterator[None]:
    """Whatever goes wrong with the journal, its address (which holds no password) stands before it."""
    from observer.domain.errors import JournalUnavailable

    try:
        yield
    except JournalUnavailable as exc:
        raise JournalUnavailable(f"{settings.journal}: {exc}") from exc


def journal_url(settings: Settings) -> str:
    """The URL with its password, which only ever comes from a file."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(settings.journal)
        if settings.journal_password_file:
            url = url.set(password=Path(settings.journal_password_file).read_text(encoding="utf-8").strip())
    except ArgumentError as exc:
        raise ConfigError("journal: not a database URL; for example sqlite+aiosqlite:///observer.db") from exc
    except OSError as exc:
        raise ConfigError(f"journal_password_file: {exc.strerror}: {settings.journal_password_file}") from exc
    return url.render_as_string(hide_password=False)


def lease(settings: Settings, api: KubeApi, clock: Clock) -> Lease:
    from observer.actuators.lease_store import KubeLeaseStore
    from observer.runtime.leader import AlwaysLeader, LeaseElector, unique_identity

    wanted = settings.lease
    if not wanted.enabled:
        return AlwaysLeader()
    store = KubeLeaseStore(api, namespace=settings.own_namespace, name=wanted.name)
    return LeaseElector(store, replace(wanted, identity=unique_identity(wanted.identity)), clock)


def executor(access: ClusterAccess, approvals: ApprovalStore | None = None) -> Executor:
    from observer import actuators
    from observer.runtime.execute import Executor

    settings = access.settings
    tick, patience = settings.engine.tick, settings.prometheus.timeout
    return Executor(
        actuators=actuators.every(access.api, by=settings.lease.identity or socket.gethostname()),
        cluster=access.cluster,
        journal=access.journal,
        lease=access.lease,
        switch=access.switch,
        evidence=evidence(access),
        clock=access.clock,
        fresh_for=max(2 * tick, patience + tick),
        approvals=approvals,
    )


def evidence(access: ClusterAccess) -> EvidenceStore:
    from observer.runtime.evidence import EvidenceStore

    wanted = access.settings.evidence
    return EvidenceStore(
        access.cluster,
        Path(wanted.path),
        logs=wanted.logs,
        lines=wanted.log_lines,
        max_bytes=wanted.max_bytes,
        redact=wanted.redact,
    )
