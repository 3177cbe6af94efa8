from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.domain.action import ActionKind
from observer.domain.decision import Blocked, Decision, Verdict
from observer.domain.errors import AuditBroken, ConfigError
from observer.domain.ids import PodRef
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.domain.reasons import GuardName, Reason
from observer.ports.actuators import Sink
from observer.sinks import audit
from observer.sinks.audit import GENESIS, open_audit, verify

DRAIN = Decision(
    id="d1",
    at=1_700_000_000.25,
    kind=Kind.DRAIN,
    verdict=Verdict.ACT,
    subject="pod shop/cart-1",
    reason="evidence",
    text="fails 30 % \u2014 siblings 0.1 %\nand a newline",
    incident="i1",
    action_kind=ActionKind.DRAIN,
    pod=PodRef("shop", "cart-1", "u1"),
    outcome=Outcome("a1", Result.APPLIED, "labelled"),
    blocked_by=(Blocked(GuardName.HEADROOM, Reason.HEADROOM, "3 of 4"),),
    figures={"evidence_score": np.float64(17.5), "cut": None},
)


async def write(path: Path, count: int = 3) -> None:
    sink: Sink = open_audit(path)
    for number in range(count):
        await sink.publish(replace(DRAIN, id=f"d{number}", at=DRAIN.at + number))
    await sink.close()


async def test_a_trail_verifies_and_each_line_follows_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.jsonl"
    await write(path)

    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["seq"] for record in records] == [1, 2, 3]
    assert records[0]["prev"] == GENESIS
    assert [record["prev"] for record in records[1:]] == [record["hash"] for record in records[:-1]]
    assert records[0]["decision"]["text"] == DRAIN.text
    assert records[0]["decision"]["figures"] == {"cut": None, "evidence_score": 17.5}
    assert records[0]["decision"]["outcome"]["result"] == "applied"
    assert path.stat().st_mode & 0o777 == 0o600
    report = verify(path)
    assert (report.records, report.last_seq, report.last_hash, report.fault) == (3, 3, records[2]["hash"], "")


async def test_a_line_can_be_checked_by_hand(tmp_path: Path) -> None:
    await write(tmp_path / "a", 1)

    text = (tmp_path / "a").read_text().rstrip("\n")
    body, _, rest = text.rpartition(',"hash":"')
    assert hashlib.sha256(f"{body}}}".encode()).hexdigest() == rest.removesuffix('"}')


async def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a"
    await write(path)
    await write(path)

    assert verify(path).records == 6
    assert verify(path).fault == ""


def test_an_empty_trail_holds(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    assert verify(tmp_path / "a") == audit.AuditReport(0, 0, GENESIS)


@pytest.mark.parametrize(
    ("change", "line", "fault"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"30 %", b"31 %"), lines[2]], 2, "the hash does not match"),
        (lambda lines: [lines[0], lines[2]], 2, "record 3 stands where 2 belongs"),
        (lambda lines: lines[1:], 1, "record 2 stands where 1 belongs"),
        (lambda lines: [lines[0], lines[0], lines[1]], 2, "record 1 stands where 2 belongs"),
        (lambda lines: [lines[0], b"{}\n", lines[1]], 2, "the line carries no hash"),
        (lambda lines: [lines[0], audit.sealed(b'{"at":1,"prev":"x","seq":2}')[0]], 2, "does not follow record 1"),
        (lambda lines: [lines[0], audit.sealed(b'{"seq":"2"}')[0]], 2, "the line is no record"),
        (lambda lines: [lines[0], lines[1][:40]], 2, "the line has no end"),
    ],
)
async def test_tampering_is_found_and_refused(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], line: int, fault: str
) -> None:
    path = tmp_path / "a"
    await write(path)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    report = verify(path)
    assert report.records == line - 1
    assert report.fault.startswith(f"{path}:{line}: ")
    assert fault in report.fault
    if "no end" not in fault:
        with pytest.raises(AuditBroken, match="Keep the file and move it to another folder"):
            open_audit(path)


async def test_a_torn_last_line_is_cut_off_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    await write(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at":17')
    await write(path, 2)

    records = [json.loads(line) for line in path.read_bytes()[len(whole) :].splitlines()]
    assert records[0]["torn"] == {"bytes": 8, "sha256": hashlib.sha256(b'{"at":17').hexdigest()}
    assert "torn" not in records[1]
    assert (verify(path).records, verify(path).fault) == (5, "")


async def test_only_one_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    sink = open_audit(path)
    code = f"from pathlib import Path; from observer.sinks.audit import open_audit; open_audit(Path({str(path)!r}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    await sink.close()

    assert other.returncode != 0
    assert "another process writes this audit trail" in other.stderr
    await open_audit(path).close()


async def test_a_long_trail_is_opened_by_its_tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    await write(path, 20)
    lines = path.read_bytes().splitlines(keepends=True)
    monkeypatch.setattr(audit, "_TAIL", 3 * len(lines[-1]))

    path.write_bytes(b"".join([lines[0].replace(b"30 %", b"31 %"), *lines[1:]]))
    await write(path, 1)
    assert "the hash does not match" in verify(path).fault

    path.write_bytes(b"".join([*lines[:-2], lines[-1]]))
    with pytest.raises(AuditBroken, match="stands where"):
        open_audit(path)
    monkeypatch.setattr(audit, "_TAIL", 10)
    with pytest.raises(AuditBroken, match="longer than any record"):
        open_audit(path)


async def test_a_write_that_fails_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    sink = open_audit(path)
    await sink.publish(DRAIN)
    calls: list[int] = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            await sink.publish(DRAIN)
    assert len(calls) == 1
    assert verify(path).records == 1
    await sink.publish(DRAIN)
    await sink.close()
    assert (verify(path).records, verify(path).fault) == (2, "")


def test_a_trail_that_cannot_be_opened_is_a_setting_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"audit: cannot open .* for appending: Is a directory"):
        open_audit(tmp_path)


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("trail") / "a"
    asyncio.run(write(path, 3))
    return path.read_bytes()


@given(data=st.data())
def test_no_single_byte_can_be_changed_unseen(
    trail: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(trail) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != trail[place]))
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(trail[:place] + bytes([byte]) + trail[place + 1 :])

    assert verify(path).fault != ""
