"""
The audit trail: one JSON line a decision, each sealed with the hash of the one before.

A line is canonical JSON (sorted keys, no spaces) with ``at``, ``decision``, ``prev`` and ``seq``, and ``hash`` appended
as its last member: the SHA-256 of the same line without that member. ``prev`` of the first line is 64 zeros. A file
that was rotated away (``audit.jsonl.1``, ``audit.jsonl-20261125.gz``) is followed by the next: the chain goes on.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gzip
import hashlib
import os
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from observer.domain.decision import Decision
from observer.domain.errors import AuditBroken, ConfigError

GENESIS = "0" * 64
_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"\}\Z')
_TAIL = 1 << 20
_ROTATED = re.compile(r"\.(?P<age>[0-9]{1,6})(\.gz)?|[-.](?P<date>[0-9]{4}-?[0-9]{2}-?[0-9]{2}[-T0-9]*)(\.gz)?")


class _Link(msgspec.Struct):
    seq: int
    prev: str
    at: float


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain, order="sorted")
_links = msgspec.json.Decoder(_Link)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """
    What ``verify`` found.

    Attributes:
        records: sealed lines that were read.
        last_seq, last_hash: of the last good line; a copy kept elsewhere shows later whether the end was cut off.
        fault: the first thing wrong, with its line; empty = the chain holds.
        notes: what cannot be known from these files, though nothing is wrong with them.
    """

    records: int
    last_seq: int
    last_hash: str
    fault: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _End:
    seq: int
    hash: str


_BEGINNING = _End(0, GENESIS)


class AuditSink:
    """
    Implements ``ports.actuators.Sink``; made by ``open_audit``. Each record is on the disk before ``publish`` returns.

    A write that fails is undone (the file is cut back to its last whole line) and raised as ``OSError``.
    """

    name = "audit"

    def __init__(self, file: BinaryIO, end: _End, torn: bytes) -> None:
        self._file, self._end, self._torn = file, end, torn
        self._lock = threading.Lock()

    async def publish(self, decision: Decision) -> None:
        await asyncio.to_thread(self._append, decision)

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)

    def _append(self, decision: Decision) -> None:
        with self._lock:
            seq = self._end.seq + 1
            body: dict[str, object] = {"at": decision.at, "decision": decision, "prev": self._end.hash, "seq": seq}
            if self._torn:
                # The process died while it wrote a line: what was cut off is told by the line that follows.
                body["torn"] = {"bytes": len(self._torn), "sha256": hashlib.sha256(self._torn).hexdigest()}
            line, seal = sealed(_encoder.encode(body))
            good = self._file.seek(0, os.SEEK_END)
            try:
                _put(self._file, line)
            except OSError:
                self._file.truncate(good)
                raise
            self._end, self._torn = _End(seq, seal), b""


def _put(file: BinaryIO, line: bytes) -> None:
    if file.write(line) != len(line):
        raise OSError(errno.ENOSPC, "the audit trail took only part of a line")
    os.fsync(file.fileno())


def open_audit(path: Path) -> AuditSink:
    """
    Open the trail for appending, creating it (mode 0600) and its folder if need be.

    The last mebibyte is verified first. A last line without its end (the process died while it wrote) is cut off, and
    the next record says so.

    Raises:
        AuditBroken: another process holds it, or its tail does not verify.
        ConfigError: it cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigError(f"audit: cannot open {path} for appending: {exc.strerror}") from exc
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        end, torn = _tail(file, path)
    except BlockingIOError as exc:
        file.close()
        raise AuditBroken(f"{path}: another process writes this audit trail; one file, one Observer") from exc
    except AuditBroken:
        file.close()
        raise
    return AuditSink(file, end, torn)


def trail_files(path: Path) -> Sequence[Path]:
    """The trail's files that exist, oldest first: rotated ones by their number or date, and ``path`` last."""
    rotated = []
    for file in path.parent.glob(path.name + "*") if path.parent.is_dir() else ():
        if (rotation := _ROTATED.fullmatch(file.name[len(path.name) :])) and file.is_file():
            age = int(rotation["age"] or 0)
            rotated.append(((rotation["date"] or "").replace("-", ""), -age, file))
    return [file for *_, file in sorted(rotated)] + ([path] if path.is_file() else [])


def verify(*paths: Path, partial: bool = False, contains: str = "") -> AuditReport:
    """
    Check every line of the trail; ``paths`` are its files, oldest first.

    ``partial``: the oldest files may be missing. ``contains``: a hash that was noted before and must still be there;
    without one nothing shows that the end was cut off. Raises: OSError when a file cannot be read.
    """
    records, end, met = 0, None, not contains
    notes: list[str] = []
    fault = ""
    for path in paths:
        number = 0
        try:
            for number, line in enumerate(_lines(path), 1):
                if number == 1:
                    end, note = _beginning(line, end, partial=partial)
                    notes += [f"{path}: {note}"] if note else []
                end = _follow(line, end)
                records += 1
                met = met or end.hash == contains
        except AuditBroken as exc:
            fault = f"{path}:{max(number, 1)}: {exc}"
            break
    if not fault and not met:
        fault = f"no record has the hash {contains}: the trail was cut off or rewritten since it was noted"
    last = end or _BEGINNING
    return AuditReport(records, last.seq, last.hash, fault, tuple(notes))


def is_foreign(path: Path) -> bool:
    """
    Whether a file that holds something holds not one line that Observer could have written.

    A compressed file that is damaged may hold some. Raises: OSError when it cannot be read.
    """
    has_lines = False
    try:
        for line in _lines(path):
            if _SEAL.search(line.removesuffix(b"\n")):
                return False
            has_lines = True
    except AuditBroken:
        return False
    return has_lines


def _lines(path: Path) -> Iterator[bytes]:
    """Raises: AuditBroken for a compressed file that is damaged, OSError for one that cannot be read."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from file
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise AuditBroken(f"after this line the compressed file is damaged: {exc}") from exc


def _beginning(line: bytes, end: _End | None, *, partial: bool) -> tuple[_End | None, str]:
    """What a file's first line has to follow, and what cannot be known. Raises: AuditBroken."""
    try:
        first = _linked(line)
    except AuditBroken:
        return end or _BEGINNING, ""  # whoever checks the line tells what is wrong with it
    if first.seq == 1 and first.prev == GENESIS:
        return _BEGINNING, "a trail of its own begins here; nothing proves what came before it" if end else ""
    if end is not None:
        return end, ""
    if not partial:
        raise AuditBroken(
            f"record {first.seq} stands where 1 belongs: lines or older files are missing; name those files too, or "
            "begin here with --partial"
        )
    return None, f"begins at record {first.seq}; what came before it was not checked"


def sealed(body: bytes) -> tuple[bytes, str]:
    """The line of a canonical JSON object and its hash."""
    seal = hashlib.sha256(body).hexdigest()
    return body[:-1] + f',"hash":"{seal}"}}\n'.encode(), seal


def _follow(line: bytes, end: _End | None) -> _End:
    """The end of the chain after ``line``; ``end`` None = trust what the line says came before. Raises: AuditBroken."""
    text = line.removesuffix(b"\n")
    if text == line:
        raise AuditBroken("the line has no end: the process died while it wrote, or the file was cut")
    match = _SEAL.search(text)
    if match is None:
        raise AuditBroken("the line carries no hash: it was not written by Observer or was changed")
    body, seal = text[: match.start()] + b"}", match[1].decode()
    if hashlib.sha256(body).hexdigest() != seal:
        raise AuditBroken("the hash does not match: the line was changed after it was written")
    link = _linked(body)
    if end is not None and link.seq != end.seq + 1:
        raise AuditBroken(f"record {link.seq} stands where {end.seq + 1} belongs: lines were removed or put in")
    if end is not None and link.prev != end.hash:
        raise AuditBroken(f"record {link.seq} does not follow record {end.seq}: the chain was rewritten")
    return _End(link.seq, seal)


def _linked(body: bytes) -> _Link:
    try:
        return _links.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise AuditBroken(f"the line is no record: {exc}") from exc


def _rotated_end(path: Path) -> _End:
    """Where a new file goes on: at the end of the newest one that was rotated away, if there is any."""
    older = [file for file in trail_files(path) if file != path]
    if not older:
        return _BEGINNING
    last = b""
    try:
        for line in _lines(older[-1]):
            last = line
        return _follow(last, None) if last else _BEGINNING
    except (AuditBroken, OSError) as exc:
        raise AuditBroken(f"{older[-1]}, which {path} follows: {exc}. Move it to another folder") from exc


def _tail(file: BinaryIO, path: Path) -> tuple[_End, bytes]:
    """The end of the chain, and the bytes of a torn last line, which are cut off."""
    size = file.seek(0, os.SEEK_END)
    start = max(size - _TAIL, 0)
    file.seek(start)
    content = file.read()
    *lines, torn = content.split(b"\n")
    if start:
        lines = lines[1:]  # the window begins somewhere inside a line
        if not lines:
            raise AuditBroken(f"{path}: the last line is longer than any record; move the file to another folder")
    end = None if start else _before(lines, path)
    for line in lines:
        try:
            end = _follow(line + b"\n", end)
        except AuditBroken as exc:
            after = f"after record {end.seq}" if end and end.seq else "near the end" if start else "at its beginning"
            raise AuditBroken(f"{path}, {after}: {exc}. Keep the file and move it to another folder") from exc
    if torn:
        file.truncate(size - len(torn))
        os.fsync(file.fileno())
    return end or _BEGINNING, torn


def _before(lines: Sequence[bytes], path: Path) -> _End:
    """What the first of a whole file's lines, or the next one, has to follow. Raises: AuditBroken."""
    try:
        first = _linked(lines[0]) if lines else None
    except AuditBroken:
        return _BEGINNING  # whoever checks the line tells what is wrong with it
    own = first is not None and first.seq == 1 and first.prev == GENESIS
    return _BEGINNING if own else _rotated_end(path)
