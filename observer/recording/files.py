"""
A recording on disk: one line of JSON that says what it is, then a zlib stream of frames.

A frame is its length (four bytes, big endian) and a msgpack pair ``[kind, value]``; after each the stream is flushed,
so a recording that was cut (a crash, a full disk) is read up to its last whole frame.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec

from observer.domain.errors import RecordingError
from observer.recording.codec import Codec, catalogue
from observer.recording.events import KINDS, Began, Event

FORMAT: Final = "observer-recording"
VERSION: Final = 2
RENAMED_SINCE: Final = 1
"""The last format with the names and words of ``former``."""
_BEGIN: Final = f'{{"format":"{FORMAT}"'.encode()
_LENGTH: Final = struct.Struct(">I")
_LARGEST_FRAME: Final = 1 << 30
_LARGEST_HEADER: Final = 1 << 20
_CHUNK: Final = 1 << 16
ANEW_EVERY: Final = 512
"""Frames after which what was shared is forgotten: it bounds the memory of writer and reader."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. ``types`` names the fields of every type as they were when it was written."""

    observer: str
    began: float
    types: dict[str, list[str]]
    format: int = VERSION


class _FirstLine(msgspec.Struct):
    format: str
    version: int | float | str | bool | None
    observer: str
    began: float
    types: dict[str, list[str]]


@cache
def _types() -> dict[str, list[str]]:
    """They are the same for every file of a process."""
    return catalogue(*KINDS)


class RecordingWriter:
    """
    Appends events to a new file; ``write`` returns the bytes that the file has now.

    Raises: RecordingError when the file exists already or cannot be written.
    """

    def __init__(self, path: Path, *, version: str, at: float) -> None:
        self._path, self._codec, self._pack = path, Codec(), msgspec.msgpack.Encoder().encode
        self._stream, self._frames = zlib.compressobj(level=6), 0
        header = {"format": FORMAT, "version": VERSION, "observer": version, "began": at, "types": _types()}
        try:
            self._file: BinaryIO = path.open("xb")
            self._size = self._file.write(json.dumps(header, separators=(",", ":")).encode() + b"\n")
        except OSError as exc:
            raise RecordingError(f"{path}: cannot be written: {exc.strerror}") from exc

    def write(self, event: Event) -> int:
        """Add one event and flush it."""
        if self._frames % ANEW_EVERY == 0:
            self._codec.reset()
        self._frames += 1
        try:
            packed = self._pack([KINDS.index(type(event)), self._codec.pack(event, type(event))])
        except (TypeError, ValueError, AttributeError, OverflowError) as exc:
            raise RecordingError(f"{self._path}: {type(event).__name__} cannot be recorded: {exc}") from exc
        content = self._stream.compress(_LENGTH.pack(len(packed)) + packed)
        content += self._stream.flush(zlib.Z_SYNC_FLUSH)
        try:
            self._size += self._file.write(content)
            self._file.flush()
        except OSError as exc:
            raise RecordingError(f"{self._path}: cannot be written: {exc.strerror}") from exc
        return self._size

    def close(self) -> None:
        try:
            with self._file:
                self._file.write(self._stream.flush(zlib.Z_FINISH))
        except OSError as exc:
            raise RecordingError(f"{self._path}: cannot be written: {exc.strerror}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Recording:
    """
    A recording to be read, once, from its beginning. ``cut`` says after reading whether its end is missing.

    Raises: RecordingError naming the file and what is wrong: no recording, a newer format, a damaged frame.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as exc:
            raise RecordingError(f"{path}: cannot be read: {exc.strerror}") from exc
        try:
            self.header = self._read_header()
        except RecordingError:
            self._file.close()
            raise
        self.cut = False

    def events(self) -> Iterator[Event]:
        """The events in their order."""
        codec = Codec(self.header.types, renamed=self.header.format <= RENAMED_SINCE)
        unpack = msgspec.msgpack.Decoder().decode
        for number, content in enumerate(self._frames()):
            if number % ANEW_EVERY == 0:
                codec.reset()
            try:
                kind, value = unpack(content)
                event: Event = codec.unpack(value, KINDS[kind])
            except (msgspec.DecodeError, RecordingError, TypeError, ValueError, IndexError) as exc:
                raise RecordingError(f"{self._path}: frame {number + 1}: {exc}") from exc
            if number == 0 and not isinstance(event, Began):
                raise RecordingError(f"{self._path}: does not say what it began with")
            yield event

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_header(self) -> Header:
        line = self._file.readline(_LARGEST_HEADER)
        if line.startswith(_BEGIN) and not line.endswith(b"\n"):
            raise RecordingError(f"{self._path}: is a recording that was cut in its first line: nothing of it is left")
        try:
            first = msgspec.convert(json.loads(line), _FirstLine)
        except (ValueError, RecursionError) as exc:
            raise RecordingError(f"{self._path}: is no recording of Observer") from exc
        version = first.version
        if first.format != FORMAT:
            raise RecordingError(f"{self._path}: is no recording of Observer but of {first.format[:60]!r}")
        if type(version) is not int or version < 1:
            raise RecordingError(f"{self._path}: is of format {str(version)[:20]!r}, which never was")
        if version > VERSION:
            raise RecordingError(
                f"{self._path}: is of format {version}, written by Observer {first.observer}; this one reads up to "
                f"{VERSION}: use a newer Observer"
            )
        if not math.isfinite(first.began):
            raise RecordingError(f"{self._path}: does not say when it began")
        return Header(first.observer, first.began, first.types, version)

    def _frames(self) -> Iterator[bytes]:
        stream, buffer = zlib.decompressobj(), bytearray()
        while True:
            try:
                chunk = self._file.read(_CHUNK)
                buffer += stream.decompress(chunk)
            except (OSError, zlib.error) as exc:
                raise RecordingError(f"{self._path}: is damaged: {exc}") from exc
            while len(buffer) >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer)
                if length > _LARGEST_FRAME:
                    raise RecordingError(f"{self._path}: is damaged: a frame of {length} bytes")
                if len(buffer) < _LENGTH.size + length:
                    break
                yield bytes(buffer[_LENGTH.size : _LENGTH.size + length])
                del buffer[: _LENGTH.size + length]
            if not chunk:
                self.cut = bool(buffer) or not stream.eof
                return
