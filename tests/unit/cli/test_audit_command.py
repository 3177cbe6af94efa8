"""``observer audit verify``: exit codes, and what a person is told to do."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from observer.cli.audit import verify_files
from observer.config.settings.model import Settings
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError
from observer.domain.kinds import Kind
from observer.sinks.audit import open_audit

TOLD = Decision("d", 1_700_000_000.0, Kind.CLOSED, Verdict.TELL, "pod shop/cart-1", "fixed", "Fixed.")


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "audit.jsonl"
    for name in ("audit.jsonl.1", ""):
        sink = open_audit(path)
        await sink.publish(TOLD)
        await sink.publish(TOLD)
        await sink.close()
        if name:
            path.rename(tmp_path / name)
    return Settings(audit=str(path))


async def test_a_whole_trail(settings: Settings) -> None:
    code, body, text = verify_files(settings, (), partial=False, contains="")
    assert code == 0 and body.whole and body.records == body.last_seq == 4 and len(body.files) == 2
    assert text.startswith("whole   4 records in 2 files") and body.last_hash and body.last_hash in text
    assert verify_files(settings, (), partial=False, contains=body.last_hash)[0] == 0


async def test_a_broken_one_names_file_and_line(settings: Settings) -> None:
    old = Path(settings.audit + ".1")
    old.write_bytes(old.read_bytes().replace(b"Fixed", b"Fixes", 1))
    code, body, text = verify_files(settings, (), partial=False, contains="")
    assert code == 1 and not body.whole and body.fault.startswith(f"{old}:1: ")
    assert f"BROKEN  {old}:1: the hash does not match" in text and "->" in text


async def test_named_files_take_the_place_of_the_settings(settings: Settings) -> None:
    code, body, _ = verify_files(settings, [Path(settings.audit)], partial=True, contains="")
    assert code == 0 and body.records == 2 and "begins at record 3" in body.notes[0]


def test_no_trail_is_not_found(tmp_path: Path) -> None:
    code, body, text = verify_files(Settings(audit=str(tmp_path / "none")), (), partial=False, contains="")
    assert code == 3 and not body.whole and "--config" in text


def test_what_cannot_be_read_and_what_is_no_hash(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none"):
        verify_files(Settings(), [tmp_path / "none"], partial=False, contains="")
    with pytest.raises(ConfigError, match="64 hex digits"):
        verify_files(Settings(), [tmp_path / "none"], partial=False, contains="abc")


async def test_a_foreign_file_is_no_broken_trail(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_text('{"seq":1}\nanother line\n')
    with pytest.raises(ConfigError, match=r"other\.log: not an Observer audit log") as caught:
        verify_files(Settings(), [other], partial=False, contains="")
    assert "oldest first" in caught.value.step
    with pytest.raises(ConfigError, match=r"other\.log: not an Observer audit log"):
        verify_files(Settings(), [Path(settings.audit + ".1"), other], partial=False, contains="")


async def test_a_trail_with_foreign_lines_in_it_is_broken(settings: Settings) -> None:
    trail = Path(settings.audit)
    trail.write_bytes(b"put before it\n" + trail.read_bytes())
    code, _, text = verify_files(settings, [trail], partial=True, contains="")
    assert code == 1 and f"BROKEN  {trail}:1: the line carries no hash" in text


async def test_what_was_put_in_place_of_the_daemons_own_trail_is_alarming(settings: Settings) -> None:
    Path(settings.audit + ".1").write_text("nothing of Observer's\n")
    code, body, text = verify_files(settings, (), partial=False, contains="")
    assert code == 1 and "carries no hash" in body.fault and "BROKEN" in text


async def test_a_damaged_compressed_trail_is_broken(settings: Settings) -> None:
    old = Path(settings.audit + ".1.gz")
    old.write_bytes(gzip.compress(b"no record" * 9000)[:-9])
    code, _, text = verify_files(settings, [old], partial=False, contains="")
    assert code == 1 and "damaged" in text


def test_an_empty_trail_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").touch()
    code, body, text = verify_files(Settings(audit=str(tmp_path / "audit.jsonl")), (), partial=False, contains="")
    assert code == 0 and body.records == 0 and "the trail is empty" in text
