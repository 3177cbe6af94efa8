"""``observer audit verify``: is the trail of decisions whole, file by file and line by line?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from observer.app.commands import is_foreign, trail_files, verify_trail
from observer.cli.application import Config, Json, app, settings_from
from observer.cli.output import EXIT_FINDINGS, EXIT_NOT_FOUND, PLAIN, Paint, Tone, paint_for, show
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.sinks.audit import AuditReport


NAME_TRAIL: Final = "name the files of one trail, oldest first: `audit` of the settings, and what was rotated beside it"
EMPTY: Final = "the trail is empty: nothing was decided yet, or it was emptied; compare with a copy kept elsewhere"

audit = typer.Typer(no_args_is_help=True, help="The audit trail.", rich_markup_mode=None)
app.add_typer(audit, name="audit")


@audit.command()
def verify(
    *,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of one trail, oldest first, instead of those of the settings.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="The oldest files may be missing.")] = False,
    contains: Annotated[
        str, typer.Option("--contains", help="A last_hash that was noted earlier and must still be in the trail.")
    ] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Check the audit trail over all its files, rotated and compressed ones too: names file, line and what broke.

    Exit codes: 0 whole, 1 broken, 2 a file cannot be read or is no audit log, 3 there is no trail.
    """
    settings, paint = settings_from(config), paint_for(sys.stdout)
    code, body, text = verify_files(settings, files or (), partial=partial, contains=contains, paint=paint)
    show(body, text, json=json)
    raise SystemExit(code)


def verify_files(
    settings: Settings, paths: Sequence[Path], *, partial: bool, contains: str, paint: Paint = PLAIN
) -> tuple[int, TrailBody, str]:
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
        return EXIT_NOT_FOUND, TrailBody(()), text
    try:
        report = verify_trail(files, partial=partial, contains=contains)
        # The daemon's own trail is never somebody else's file: there, what is no record was put in its place.
        other = next((path for path in paths if report.fault and is_foreign(path)), None)
    except OSError as exc:
        where = exc.filename or files[0]
        raise ConfigError(f"audit: cannot read {where}: {exc.strerror or exc}", step=NAME_TRAIL) from exc
    if other is not None:
        raise ConfigError(f"{other}: not an Observer audit log: no line of it carries a record's hash", step=NAME_TRAIL)
    return EXIT_FINDINGS if report.fault else 0, TrailBody.of(files, report), _text_of(report, len(files), paint)


def _text_of(report: AuditReport, files: int, paint: Paint) -> str:
    lines = [f"{paint('note', Tone.WARN)}    {note}" for note in report.notes]
    if not report.records and not report.fault:
        lines.append(f"{paint('note', Tone.WARN)}    {EMPTY}")
    if report.fault:
        lines += [
            f"{paint('BROKEN', Tone.BAD)}  {report.fault}",
            f"        {report.records} records before it are intact, up to record {report.last_seq} {report.last_hash}",
            "     -> keep every file as it is, compare with a copy kept elsewhere, ask who can write to that folder",
        ]
    else:
        lines += [
            f"{paint('whole', Tone.GOOD)}   {report.records} records in {files} file{'s' * (files != 1)}",
            f"        last record {report.last_seq} {report.last_hash}",
            "     -> note that hash elsewhere; --contains HASH proves later that nothing was cut off",
        ]
    return "\n".join(lines)


class TrailBody(Struct, frozen=True):
    """What ``--json`` prints; without a trail ``last_hash`` is null and ``fault`` says so."""

    files: tuple[str, ...]
    whole: bool = False
    records: int = 0
    last_seq: int = 0
    last_hash: str | None = None
    fault: str = "there is no audit trail"
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Sequence[Path], report: AuditReport) -> TrailBody:
        """The verdict about some files."""
        names = tuple(str(path) for path in files)
        notes = tuple(report.notes)
        return cls(names, not report.fault, report.records, report.last_seq, report.last_hash, report.fault, notes)
