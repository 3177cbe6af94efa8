"""``observer audit verify``: is the trail of decisions whole, file by file and line by line?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from observer.app import is_foreign, trail_files, verify_trail
from observer.cli.output import EXIT_FINDINGS, EXIT_NOT_FOUND
from observer.cli.paint import PLAIN, Paint, Tone
from observer.config.settings.model import Settings
from observer.domain.errors import ConfigError

NAME_TRAIL: Final = "name the files of one trail, oldest first: `audit` of the settings, and what was rotated beside it"
EMPTY: Final = "the trail is empty: nothing was decided yet, or it was emptied; compare with a copy kept elsewhere"


def verify(
    settings: Settings, paths: Sequence[Path], *, partial: bool, contains: str, paint: Paint = PLAIN
) -> tuple[int, dict[str, Any], str]:
    """
    Exit code, JSON body and text; without ``paths`` the files of the settings' ``audit``, rotated ones first.

    Raises: ConfigError for files that cannot be read, and for named ones that are no audit log at all.
    """
    if contains and (len(contains) != 64 or set(contains) - set("0123456789abcdef")):
        raise ConfigError("--contains: expected 64 hex digits, the last_hash of an earlier `observer audit verify`")
    files = list(paths) or list(trail_files(settings))
    if not files:
        text = (
            f"there is no audit trail at {settings.audit}\n"
            "     -> name the settings file that the daemon uses with --config, or the trail's files"
        )
        return EXIT_NOT_FOUND, _body((), None), text
    try:
        found = verify_trail(files, partial=partial, contains=contains)
        # The daemon's own trail is never somebody else's file: there, what is no record was put in its place.
        other = next((path for path in paths if found.fault and is_foreign(path)), None)
    except OSError as exc:
        where = exc.filename or files[0]
        raise ConfigError(f"audit: cannot read {where}: {exc.strerror or exc}", step=NAME_TRAIL) from exc
    if other is not None:
        raise ConfigError(f"{other}: not an Observer audit log: no line of it carries a record's hash", step=NAME_TRAIL)
    lines = [f"{paint('note', Tone.WARN)}    {note}" for note in found.notes]
    if not found.records and not found.fault:
        lines.append(f"{paint('note', Tone.WARN)}    {EMPTY}")
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
