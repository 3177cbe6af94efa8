"""``observer audit verify``: is the trail of decisions whole, file by file and line by line?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from observer.app import trail_files, verify_trail
from observer.cli.output import EXIT_FINDINGS, EXIT_NOT_FOUND
from observer.cli.paint import PLAIN, Paint, Tone
from observer.config.model import Settings
from observer.domain.errors import ConfigError


def verify(
    settings: Settings, paths: Sequence[Path], *, partial: bool, contains: str, paint: Paint = PLAIN
) -> tuple[int, dict[str, Any], str]:
    """
    Exit code, JSON body and text; without ``paths`` the files of the settings' ``audit``, rotated ones first.

    Raises: ConfigError for files that cannot be read.
    """
    if contains and (len(contains) != 64 or set(contains) - set("0123456789abcdef")):
        raise ConfigError("--contains: expected 64 hex digits, the last_hash of an earlier `observer audit verify`")
    files = list(paths) or list(trail_files(settings))
    if not files:
        text = f"there is no audit trail at {settings.audit}; is it the settings file that the daemon uses (--config)?"
        return EXIT_NOT_FOUND, _body((), None), text
    try:
        found = verify_trail(files, partial=partial, contains=contains)
    except OSError as exc:
        raise ConfigError(f"audit: cannot read {exc.filename or files[0]}: {exc.strerror or exc}") from exc
    lines = [f"{paint('note', Tone.WARN)}    {note}" for note in found.notes]
    if found.fault:
        lines += [
            f"{paint('BROKEN', Tone.BAD)}  {found.fault}",
            f"        {found.records} records before it hold, up to record {found.last_seq} {found.last_hash}",
            "     -> keep every file as it is, compare with a copy kept elsewhere, ask who can write to that folder",
        ]
    else:
        lines += [
            f"{paint('whole', Tone.GOOD)}   {found.records} records in {len(files)} file{'s' * (len(files) != 1)}",
            f"        last record {found.last_seq} {found.last_hash}",
            "     -> note that hash elsewhere; --contains HASH proves later that nothing was cut off",
        ]
    return EXIT_FINDINGS if found.fault else 0, _body(files, found), "\n".join(lines)


def _body(files: Sequence[Path], found: Any) -> dict[str, Any]:
    return {
        "files": [str(path) for path in files],
        "whole": found is not None and not found.fault,
        "records": found.records if found is not None else 0,
        "last_seq": found.last_seq if found is not None else 0,
        "last_hash": found.last_hash if found is not None else None,
        "fault": found.fault if found is not None else "there is no audit trail",
        "notes": list(found.notes) if found is not None else [],
    }
