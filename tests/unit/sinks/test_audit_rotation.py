"""The chain across files that were rotated away: whole, broken in the middle, cut at either end."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from observer.domain.decision import Decision, Verdict
from observer.domain.errors import AuditBroken
from observer.domain.kinds import Kind
from observer.sinks.audit import open_audit, trail_files, verify

TOLD = Decision("d", 1_700_000_000.0, Kind.CLOSED, Verdict.TELL, "pod shop/cart-1", "fixed", "Fixed.")


async def write(path: Path, count: int) -> None:
    sink = open_audit(path)
    for _ in range(count):
        await sink.publish(TOLD)
    await sink.close()


@pytest.fixture
async def rotated(tmp_path: Path) -> list[Path]:
    """Three files of two, three and one record, as a rotation that compresses leaves them; oldest first."""
    path = tmp_path / "audit.jsonl"
    await write(path, 2)
    (tmp_path / "audit.jsonl.2.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    await write(path, 3)
    path.rename(tmp_path / "audit.jsonl.1")
    await write(path, 1)
    return [tmp_path / "audit.jsonl.2.gz", tmp_path / "audit.jsonl.1", path]


async def test_a_new_file_goes_on_where_the_rotated_one_ended(rotated: list[Path]) -> None:
    assert list(trail_files(rotated[-1])) == rotated
    report = verify(*rotated)
    assert (report.records, report.last_seq, report.fault, report.notes) == (6, 6, "", ())


async def test_it_goes_on_after_every_restart_that_follows_a_rotation(rotated: list[Path]) -> None:
    for _ in range(2):
        await write(rotated[-1], 1)
    report = verify(*rotated)
    assert (report.records, report.last_seq, report.fault, report.notes) == (8, 8, "", ())


@pytest.mark.parametrize("beneath", ["copied and truncated", "renamed"])
async def test_rotated_beneath_a_running_daemon_it_stays_whole(tmp_path: Path, beneath: str) -> None:
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl-20261125"
    sink = open_audit(path)
    await sink.publish(TOLD)
    if beneath == "renamed":
        path.rename(old)
    else:
        old.write_bytes(path.read_bytes())
        os.truncate(path, 0)
    await sink.publish(TOLD)
    await sink.close()
    for _ in range(2):
        await write(path, 1)
    assert trail_files(path) == [old, path]
    report = verify(old, path)
    assert (report.records, report.last_seq, report.fault, report.notes) == (4, 4, "", ())


async def test_a_file_whose_older_one_is_gone_or_does_not_fit_is_not_gone_on_with(rotated: list[Path]) -> None:
    held = rotated[1].read_bytes()
    rotated[1].write_bytes(b"".join(held.splitlines(keepends=True)[:-1]))
    with pytest.raises(AuditBroken, match=r"after record 4: record 6 stands where 5 belongs"):
        open_audit(rotated[-1])
    rotated[0].unlink()
    rotated[1].unlink()
    with pytest.raises(AuditBroken, match=r"at its beginning: record 6 stands where 1 belongs.*another folder"):
        open_audit(rotated[-1])
    rotated[1].write_bytes(held)
    await write(rotated[-1], 1)
    assert verify(*rotated[1:], partial=True).fault == ""


async def test_files_are_ordered_by_number_or_date_and_strangers_left_out(tmp_path: Path) -> None:
    for name in ("a", "a.1", "a.10", "a.9.gz", "a.bak", "a.1.tmp", "ab", "a.lock"):
        (tmp_path / name).touch()
    assert [one.name for one in trail_files(tmp_path / "a")] == ["a.10", "a.9.gz", "a.1", "a"]
    for name in ("b-20261125", "b-20261123.gz", "b-2026-11-24", "b"):
        (tmp_path / name).touch()
    assert [one.name for one in trail_files(tmp_path / "b")] == [
        "b-20261123.gz", "b-2026-11-24", "b-20261125", "b",
    ]  # fmt: skip
    assert not trail_files(tmp_path / "nowhere" / "c")


async def test_a_missing_file_in_the_middle_is_found(rotated: list[Path]) -> None:
    report = verify(rotated[0], rotated[2])
    assert report.fault.startswith(f"{rotated[2]}:1: record 6 stands where 3 belongs")
    assert report.records == 2


async def test_a_missing_beginning_is_a_fault_unless_it_is_said(rotated: list[Path]) -> None:
    assert "--partial" in verify(*rotated[1:]).fault
    report = verify(*rotated[1:], partial=True)
    assert (report.records, report.fault) == (4, "") and "begins at record 3" in report.notes[0]


async def test_a_line_changed_in_a_rotated_file_is_named_with_its_place(rotated: list[Path]) -> None:
    lines = rotated[1].read_bytes().splitlines(keepends=True)
    rotated[1].write_bytes(b"".join([lines[0], lines[1].replace(b"Fixed", b"Fixes"), lines[2]]))
    report = verify(*rotated)
    assert report.fault.startswith(f"{rotated[1]}:2: the hash does not match") and report.records == 3


async def test_a_noted_hash_shows_that_the_end_was_cut_off(rotated: list[Path]) -> None:
    last = verify(*rotated).last_hash
    assert not verify(*rotated, contains=last).fault
    rotated[-1].write_bytes(b"")
    assert not verify(*rotated).fault, "without a noted hash nobody can know"
    assert "cut off or rewritten" in verify(*rotated, contains=last).fault


async def test_a_second_trail_is_told_and_is_no_fault(tmp_path: Path) -> None:
    await write(tmp_path / "old", 2)
    await write(tmp_path / "new", 1)
    report = verify(tmp_path / "old", tmp_path / "new")
    assert not report.fault and report.notes[0].startswith(f"{tmp_path / 'new'}: a trail of its own")


async def test_a_damaged_compressed_file_is_a_fault_and_stops_the_next_trail(rotated: list[Path]) -> None:
    data = rotated[0].read_bytes()
    rotated[0].write_bytes(data[: len(data) // 2])
    assert "compressed file is damaged" in verify(*rotated).fault
    rotated[1].unlink()
    rotated[2].unlink()
    with pytest.raises(AuditBroken, match="Move it to another folder"):
        open_audit(rotated[2])


async def test_a_file_that_cannot_be_read_is_the_callers_to_tell(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "nothing")
