"""Edited files are taken into force as a whole or not at all, and either way it is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from observer.config.policies.effective import EffectivePolicyCache
from observer.config.reload import FileWatch, Rules, merged, read_rules
from observer.config.settings.read import default, parse
from observer.domain.action import ActionKind, Mode
from observer.domain.counts import ServiceBaseline
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.domain.incident import Phase
from observer.domain.kinds import Kind
from observer.engine.memory import Memory
from observer.runtime.collect import Collector
from observer.runtime.dispatcher import Dispatcher
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor
from observer.runtime.reload import Reloader, ReloadState
from observer.runtime.source_cache import BaselineCache
from observer.runtime.status import LoopStatus
from observer.runtime.tick import Loop
from observer.telemetry.metrics import SelfMetrics
from observer.web.models.answers import PoliciesStatus
from observer.web.views.sources import status_of
from tests.support.builders import NOW, catalog, cluster, drained, incident_of, snapshot, workload
from tests.support.fakes import FakeActuator, FakeClock, FakeCluster, FakeLease, FakeMetrics, FakeSwitch, MemoryJournal

POLICY = """\
apiVersion: observer.dev/v1alpha1
kind: HealthPolicy
metadata: {name: shop}
spec:
  selector: {namespaces: {names: [shop]}}
  mode: MODE
"""


@dataclass
class Adopted:
    """A loop that notes what it was given."""

    rules: list[Rules | None] = field(default_factory=list)
    states: list[ReloadState] = field(default_factory=list)
    told: list[Decision] = field(default_factory=list)

    async def adopt(self, rules: Rules | None, state: ReloadState, decision: Decision) -> None:
        self.rules.append(rules)
        self.states.append(state)
        self.told.append(decision)


class Files:
    """Edited as often as told."""

    def __init__(self) -> None:
        self.edits = 0

    def changed(self, wanted: Sequence[str]) -> bool:
        self.edits, changed = 0, self.edits > 0
        return changed


@dataclass
class Folder:
    """A settings file and one policy beside it."""

    path: Path

    def settings(self, text: str = "") -> Path:
        file = self.path / "observer.yaml"
        file.write_text(f"policies: [{self.path / 'policy.yaml'}]\n{text}")
        return file

    def policy(self, mode: str) -> Path:
        file = self.path / "policy.yaml"
        file.write_text(POLICY.replace("MODE", mode))
        return file


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.settings()
    made.policy("enforce")
    return made


def reloader(folder: Folder, loop: Adopted, files: Files) -> Reloader:
    path = folder.path / "observer.yaml"

    def read() -> Rules:
        return read_rules(path, 0.0)

    return Reloader(rules=read(), files=files, read=read, loop=loop, clock=FakeClock(), every=5.0)


async def test_nothing_is_read_before_something_changed(folder: Folder) -> None:
    loop, files = Adopted(), Files()
    one = reloader(folder, loop, files)

    await one.look()
    assert loop.told == []
    one.ask()
    await one.look()
    assert [told.kind for told in loop.told] == ["config_reloaded"]
    await one.look()
    assert len(loop.told) == 1


async def test_an_edit_is_taken_into_force_and_told(folder: Folder) -> None:
    loop, files = Adopted(), Files()
    one = reloader(folder, loop, files)
    folder.policy("dry-run")
    files.edits = 1

    await one.look()

    rules, told = loop.rules[0], loop.told[0]
    assert rules is not None
    assert rules.policies.policies[0].values["mode"].value is Mode.DRY_RUN
    assert (told.kind, told.reason, told.verdict, told.severity) == (
        "config_reloaded", "reloaded", Verdict.TELL, "info",
    )  # fmt: skip
    assert told.figures["policies"] == rules.policies.identity != ""
    assert loop.states[0].ok


async def test_a_broken_edit_keeps_the_old_and_names_every_fault(folder: Folder) -> None:
    loop, files = Adopted(), Files()
    one = reloader(folder, loop, files)
    file = folder.policy("enforced")
    file.write_text(file.read_text() + "  percent: 0\n  laddr: {}\n")
    files.edits = 1

    await one.look()

    told = loop.told[0]
    assert loop.rules == [None]
    assert (told.kind, told.severity) == ("config_rejected", "warning")
    assert "policy.yaml:6:9 spec.mode" in told.text and "policy.yaml:8:3 spec.laddr" in told.text
    assert not loop.states[0].ok and "spec.mode" in loop.states[0].detail

    folder.policy("enforce")
    files.edits = 1
    await one.look()
    assert (loop.told[1].kind, loop.told[1].reason, loop.states[1].ok) == ("config_reloaded", "unchanged", True)


async def test_what_cannot_be_exchanged_needs_a_restart(folder: Folder) -> None:
    loop, files = Adopted(), Files()
    one = reloader(folder, loop, files)
    folder.settings("mode: dry-run\ntick: 1s\nprometheus: {url: http://elsewhere:9090}\n")
    files.edits = 1

    await one.look()

    rules, told = loop.rules[0], loop.told[0]
    assert rules is not None and rules.settings.engine.mode is Mode.DRY_RUN
    assert rules.settings.engine.tick == default().engine.tick
    assert rules.settings.prometheus == default().prometheus
    assert loop.states[0].needs_restart == ("tick", "prometheus")
    assert told.text.endswith("Needs a restart: tick, prometheus.") and told.severity == "warning"


async def test_it_looks_until_cancelled_and_first_at_what_was_edited_during_the_start(folder: Folder) -> None:
    loop, files = Adopted(), Files()
    one = reloader(folder, loop, files)
    folder.policy("dry-run")
    async with asyncio.timeout(60):
        running = asyncio.get_running_loop().create_task(one.run())
        while not loop.told:
            await asyncio.sleep(0)
        one.ask()
        while len(loop.told) < 2:
            await asyncio.sleep(0)
        assert [told.reason for told in loop.told] == ["reloaded", "reloaded"]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


def test_merging_keeps_the_own_namespace_and_makes_a_new_identity() -> None:
    running, wanted = default(), parse("own_namespace: elsewhere\nguards: {serving_share: 0.9}")

    settings, restart = merged(running, wanted)

    assert settings.engine.guards.own_namespace == running.own_namespace
    assert settings.engine.guards.serving_share == 0.9
    assert settings.engine.identity not in ("", running.engine.identity)
    assert restart == ("own_namespace",)
    assert merged(running, running) == (running, ())


def test_the_watch_sees_content_and_nothing_else(folder: Folder) -> None:
    path = folder.path / "observer.yaml"
    wanted = read_rules(path, 0.0).settings.policies
    watch = FileWatch(path)

    def changed() -> bool:
        return watch.changed(wanted)

    assert not changed() and not changed()
    policy = folder.policy("enforce")
    os.utime(policy, (1.0, 1.0))
    assert not changed()
    folder.policy("shadow")
    os.utime(policy, (2.0, 2.0))
    assert changed() and not changed()
    policy.unlink()
    assert changed() and not changed()
    folder.settings("# a comment\n")
    os.utime(path, (3.0, 3.0))
    assert changed()


def test_the_watch_sees_files_that_come_into_a_directory(tmp_path: Path) -> None:
    watch = FileWatch(None)
    assert not watch.changed([str(tmp_path)])
    (tmp_path / "one.yaml").write_text(POLICY)
    assert watch.changed([str(tmp_path)])


async def test_a_refused_start_names_the_fault(folder: Folder) -> None:
    folder.policy("enforced")
    with pytest.raises(ConfigError, match=r"policy\.yaml:6:9"):
        read_rules(folder.path / "observer.yaml", 0.0)


class NoHistory:
    """Nothing was usual."""

    async def baselines(
        self, until: float, seconds: float, service_of: Mapping[tuple[str, str], ServiceRef]
    ) -> Mapping[ServiceRef, ServiceBaseline]:
        return {}

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Daemon:
    """A loop with doubles all round, over one Deployment of which one pod is drained."""

    folder: Folder
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    actuator: FakeActuator = field(default_factory=FakeActuator)
    metrics: SelfMetrics = field(default_factory=SelfMetrics)
    lease: FakeLease = field(default_factory=FakeLease)

    def __post_init__(self) -> None:
        held = incident_of("catalog-1", phase=Phase.DRAINED, drain_expires=NOW + 100.0)
        pods = [drained(catalog(4)[0], held.id), *catalog(4)[1:]]
        seen, clock = FakeCluster(cluster(pods, [workload(desired=4)])), FakeClock(NOW)
        self.loop_status = LoopStatus(default().engine, clock, self.metrics)
        keeper = EvidenceStore(seen, self.folder.path, logs=False, lines=1, max_bytes=1000, redact=[])
        lease, switch = self.lease, FakeSwitch()
        executor = Executor(
            actuators=dict.fromkeys(ActionKind, self.actuator),
            cluster=seen, journal=self.journal, lease=lease, switch=switch, evidence=keeper, clock=clock, fresh_for=5.0,
        )  # fmt: skip
        metrics = FakeMetrics(SourceUnavailable("nobody asks"))
        history = BaselineCache(NoHistory(), seen, clock, seconds=60.0, refresh=60.0)
        collector = Collector(
            metrics=metrics, cluster=seen, history=history, switch=switch, lease=lease,
            deadline=1.0, recheck_seconds=60.0, step=5.0,
        )  # fmt: skip
        self.loop = Loop(
            collector=collector,
            executor=executor,
            cluster=seen,
            journal=self.journal,
            dispatcher=Dispatcher([], dropped=lambda _: None),
            clock=clock,
            rules=self.rules(),
            state=self.loop_status,
        )
        self.loop.memory = replace(self.loop.memory, incidents={held.id: held}, term=3)

    def rules(self) -> Rules:
        return read_rules(self.folder.path / "observer.yaml", 0.0)


@pytest.fixture
def daemon(folder: Folder) -> Iterator[Daemon]:
    made = Daemon(folder)
    yield made
    made.metrics.close()


TOLD = Decision("x", NOW, Kind.CONFIG_RELOADED, Verdict.TELL, "observer", "reloaded", "text")


async def test_a_pod_whose_mode_is_taken_away_is_given_back_at_once(daemon: Daemon) -> None:
    await daemon.loop.adopt(daemon.rules(), ReloadState(at=NOW), TOLD)
    watching = asyncio.get_running_loop().create_task(daemon.loop.watch_floor())
    for _ in range(20):
        await asyncio.sleep(0)
    assert daemon.actuator.applied == []

    daemon.folder.policy("shadow")
    await daemon.loop.adopt(daemon.rules(), ReloadState(at=NOW), TOLD)
    async with asyncio.timeout(10):
        while not daemon.actuator.applied:
            await asyncio.sleep(0)
    watching.cancel()

    assert [(act.action_kind, act.pod.name, act.reason) for act in daemon.actuator.applied] == [
        (ActionKind.RESTORE, "catalog-1", "mode")
    ]


async def test_what_is_open_is_known_only_to_whoever_leads_and_took_over(daemon: Daemon) -> None:
    assert daemon.loop.standing() is None
    await daemon.loop._tick_once(was_leader=True)
    assert daemon.loop.standing() == frozenset(k for k, one in daemon.loop.memory.incidents.items() if not one.closed)
    daemon.lease.leads = False
    await daemon.loop._tick_once(was_leader=True)
    assert daemon.loop.standing() is None


async def test_what_came_of_a_reload_is_in_journal_status_and_metrics(daemon: Daemon) -> None:
    await daemon.loop.adopt(daemon.rules(), ReloadState(at=NOW), TOLD)
    assert daemon.loop_status.reload == ReloadState(at=NOW)

    await daemon.loop.adopt(None, ReloadState(ok=False, at=NOW, detail="a.yaml:1:1 bad"), TOLD)

    assert daemon.journal.order.count("record config_reloaded") == 2
    assert daemon.loop_status.reload == ReloadState(ok=False, at=NOW, detail="a.yaml:1:1 bad")
    assert b"observer_config_valid 0.0" in daemon.metrics.render()


def test_status_counts_workloads_by_mode_and_names_those_whose_policies_disagree(daemon: Daemon) -> None:
    one = workload(desired=4)
    keeper = EffectivePolicyCache(daemon.rules().policies)
    policies = keeper.policies(cluster(catalog(4), [one]), NOW)
    state = replace(Memory(), complete=True)

    daemon.loop_status.ticked(state, snapshot(None), 0.1, "", policies)

    assert status_of(daemon.loop_status).policies == PoliciesStatus(policies.identity, {"enforce": 1}, {})
    assert b'observer_policy_workloads{mode="enforce"} 1.0' in daemon.metrics.render()
