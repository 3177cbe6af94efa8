"""What may go wrong around Observer, or be made to: files and labels that vanish, odd bodies, strangers, secrets."""

from __future__ import annotations

import asyncio
import copy
import gzip
import hashlib
import json
import re
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random

import aiohttp
import pytest
from aiohttp import web

from observer.actuators.drain import DrainActuator
from observer.actuators.kill_switch import ConfigMapSwitch
from observer.config.settings.model import EvidenceSettings
from observer.config.settings.sources import KubernetesSettings
from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import JournalUnavailable
from observer.domain.ids import PodRef, Target
from observer.domain.kinds import Kind
from observer.engine.remediation.escalation import ledger_entry
from observer.journal.store import SqlJournal
from observer.runtime.clock import SystemClock
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor
from observer.simulator.kubernetes import objects as kube_objects
from observer.sinks.audit import open_audit, verify
from observer.sources.kubernetes.cluster import KubernetesCluster
from observer.web.server import Server
from tests.cases.rows import case, wrong
from tests.support.alerts import BEARER, bearer, hooked
from tests.support.fakes import FakeCluster, FakeLease, FakeSwitch, MemoryJournal
from tests.support.kube_sim import connected, running, simulated_kube, until
from tests.support.people import LOCAL, people_world

POD = PodRef("shop", "cart-1", "u1")
NAMESPACE = kube_objects.OBSERVER_NAMESPACE


def decided(action: Action, at: float) -> Decision:
    return Decision(
        id="d",
        at=at,
        kind=Kind(action.action_kind.value),
        verdict=Verdict.ACT,
        subject=f"pod {action.pod}",
        reason="suspicion",
        text="It fails.",
        incident=action.incident,
        action_kind=action.action_kind,
        mode=Mode.ENFORCE,
        pod=action.pod,
        action=action,
    )


# --- connections and bodies


@wrong("X3", "no time limit on a header")
async def test_a_connection_that_sends_no_whole_header_is_closed() -> None:
    server = Server(web.Application(), "127.0.0.1:0")
    async with server.opened():
        host, _, port = server.address.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        try:
            async with asyncio.timeout(6.0):
                await reader.read()
        except TimeoutError:
            pass
        ended = reader.at_eof()
        writer.close()

    assert ended


@pytest.mark.parametrize("coding", [case("gzip"), case("deflate")])
async def test_control_a_body_of_its_coding_is_read(coding: str) -> None:
    async with people_world() as people:
        body = gzip.compress(b"token=wrong") if coding == "gzip" else zlib.compress(b"token=wrong")
        headers = people.own_origin() | {"Content-Encoding": coding}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        status, _, _ = await people.ask("POST", "/sign-in", data=body, headers=headers)

        assert 400 <= status < 500


@pytest.mark.parametrize(
    "coding",
    [
        case("gzip", row="X4", kind="an input error is told as our own"),
        case("deflate", row="X4", kind="an input error is told as our own"),
    ],
)
@pytest.mark.parametrize("door", ["sign-in", "webhook"])
async def test_a_body_that_is_not_of_its_coding_is_the_senders_fault(coding: str, door: str, tmp_path: Path) -> None:
    if door == "sign-in":
        async with people_world() as people:
            headers = people.own_origin() | {"Content-Encoding": coding}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            status, _, _ = await people.ask("POST", "/sign-in", data=b"notgzip", headers=headers)
    else:
        async with hooked([bearer(tmp_path)]) as hook:
            headers = BEARER | {"Content-Encoding": coding, "Content-Type": "application/json"}
            status, _ = await hook.post(b"notgzip", headers)

    assert 400 <= status < 500


@wrong("X5", "strangers lock the owner out")
async def test_failures_of_strangers_do_not_lock_out_who_has_the_right_token() -> None:
    async def ask(address: str, token: str) -> int:
        connector = aiohttp.TCPConnector(local_addr=(address, 0))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer,
        ):
            return answer.status

    async with people_world() as people:
        url = f"http://{people.client.host}:{people.client.port}/api/v1/me"
        assert await ask("127.0.0.1", LOCAL) == 200
        for stranger in range(2, 23):
            for _ in range(10):
                assert await ask(f"127.0.1.{stranger}", "wrong") in (401, 429)

        assert await ask("127.0.9.9", LOCAL) == 200


# --- what vanishes under a running daemon


@wrong("X6", "a start writes the default over a person's hand")
async def test_a_kill_switch_that_a_person_deleted_stays_thrown_over_a_restart(tmp_path: Path) -> None:
    async with simulated_kube([kube_objects.namespace(NAMESPACE)]) as kube, connected(tmp_path, kube.url) as api:
        assert await ConfigMapSwitch(api, NAMESPACE).ensure()
        assert await ConfigMapSwitch(api, NAMESPACE).read() == (False, "")
        kube.store.delete("configmaps", NAMESPACE, names.CONTROL_CONFIGMAP)
        restarted = ConfigMapSwitch(api, NAMESPACE)
        await restarted.ensure()
        paused, _ = await restarted.read()

        assert paused


@wrong("X7", "an old picture is not asked again before the act")
async def test_a_namespace_that_opted_out_silently_is_not_acted_in(tmp_path: Path) -> None:
    objects = kube_objects.shop_objects([("cart", "v1", 3)])
    clock = SystemClock()
    async with simulated_kube(objects, speed=100.0) as kube, connected(tmp_path, kube.url) as api:
        cluster = KubernetesCluster(api, KubernetesSettings(), clock=clock, random=Random(1))
        async with running(cluster.run):
            assert await cluster.synced(60)
            await until(lambda: sum(pod.ready for pod in cluster.view(clock.now()).pods.values()) >= 3)
            ref = next(ref for ref in cluster.view(clock.now()).pods if ref.name.startswith("cart"))
            kube.faults.mute_watches = True
            space = copy.deepcopy(kube.store.get("namespaces", "", "shop"))
            assert space is not None
            del space["metadata"]["labels"][names.NAMESPACE_ENABLED]
            kube.store.update("namespaces", space)
            executor = Executor(
                actuators={ActionKind.DRAIN: DrainActuator(api, by="observer-0")},
                cluster=cluster,
                journal=MemoryJournal(),
                lease=FakeLease(),
                switch=FakeSwitch(),
                evidence=EvidenceStore(cluster, tmp_path, logs=False, lines=1, max_bytes=1, redact=[]),
                clock=clock,
                fresh_for=60.0,
            )
            action = Action(ActionKind.DRAIN, "i1", Target.of(ref), expires=time.time() + 60.0, term=3)
            await executor.carry_out(decided(action, clock.now()), None)
            written = kube.asked("patch", "pods")

        assert written == []


@wrong("X8", "a memory that is gone is not noticed")
async def test_a_journal_whose_file_was_unlinked_takes_no_intent(tmp_path: Path) -> None:
    journal = await SqlJournal.open(f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}")
    try:
        for file in tmp_path.glob("journal.db*"):
            file.unlink()
        action = Action(ActionKind.DRAIN, "i1", Target.of(POD))
        try:
            await journal.intend(action, ledger_entry(action, None, 1.0))
            refused = False
        except JournalUnavailable:
            refused = True
    finally:
        await journal.close()

    assert refused


# --- what is kept


def resealed(lines: Sequence[bytes], changed: int) -> list[bytes]:
    """One record's text is another, and every seal from there on fits."""
    forged, previous = [], ""
    for number, line in enumerate(lines):
        seal = re.search(rb',"hash":"([0-9a-f]{64})"\}\Z', line)
        assert seal is not None
        body = line[: seal.start()] + b"}"
        if number == changed:
            text = json.loads(body)["decision"]["text"]
            body = body.replace(json.dumps(text).encode(), b'"nothing happened here"')
        if number > changed:
            body = re.sub(rb'"prev":"[0-9a-f]{64}"', f'"prev":"{previous}"'.encode(), body)
        previous = hashlib.sha256(body).hexdigest()
        forged.append(body[:-1] + f',"hash":"{previous}"}}'.encode())
    return forged


@wrong("X9", "a chain without a key")
async def test_an_audit_trail_that_was_changed_and_sealed_anew_does_not_verify(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = open_audit(path)
    for number in range(4):
        await sink.publish(decided(Action(ActionKind.DRAIN, f"i{number}", Target.of(POD)), 1.0 + number))
    await sink.close()
    assert verify(path).fault == ""
    path.write_bytes(b"\n".join(resealed(path.read_bytes().splitlines(), 1)) + b"\n")

    assert verify(path).fault != ""


RETAINED = "one pattern that ends at a space"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        case("Authorization: Bearer abc.DEF-123456", "abc.DEF-123456", row="X10", kind=RETAINED, name="bearer"),
        case("password=hunter2222", "hunter2222", name="password"),
        case('{"token": "s3cr3t-value-1"}', "s3cr3t-value-1", name="JSON"),
        case("password: two words here", "words here", row="X10", kind=RETAINED, name="two words"),
        case("postgres://shop:pa55word@db:5432/shop", "pa55word", row="X10", kind=RETAINED, name="address"),
        case("AWS_SECRET_ACCESS_KEY=wJalrEXAMPLEKEYwJalr", "wJalrEXAMPLE", row="X10", kind=RETAINED, name="access key"),
        case("Set-Cookie: login=0123456789abcdef; HttpOnly", "0123456789", row="X10", kind=RETAINED, name="cookie"),
        case("rejected eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln", "eyJzdWIi", row="X10", kind=RETAINED, name="JWT"),
    ],
)
async def test_a_credential_in_a_kept_log_is_gone_whole(line: str, secret: str, tmp_path: Path) -> None:
    settings = EvidenceSettings()
    keeper = EvidenceStore(
        FakeCluster(logs=line + "\n"), tmp_path, logs=True, lines=10, max_bytes=1000, redact=settings.redact
    )
    raw = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    folder = await keeper.keep(POD, raw, decided(Action(ActionKind.EVICT, "i1", Target.of(POD)), 1.0))
    retained = (folder / "app.log").read_text()

    assert secret not in retained
