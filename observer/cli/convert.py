"""``observer convert``: objectives of other tools as OpenSLO v1, with everything that could not be carried named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from observer.cli.application import app
from observer.cli.output import EXIT_BAD_INPUT, fail
from observer.config.documents.faults import Fault, refuse
from observer.domain.errors import ConfigError
from observer.exchange.conversion import Converted
from observer.exchange.formats import Format, converted

if TYPE_CHECKING:
    from observer.config.documents.marks import Document


@app.command()
def convert(
    files: Annotated[list[Path], typer.Argument(help="Files or directories of Sloth, Pyrra or OpenSLO documents.")],
    source: Annotated[str, typer.Option("--from", help="Format of the files; default: what they say.")] = "",
    folder: Annotated[Path | None, typer.Option("--out", "-o", help="Write files here instead of printing.")] = None,
) -> None:
    """Print objectives of other tools as OpenSLO v1; what cannot be carried is an error or a note, never dropped."""
    if source and source not in set(Format):
        step = "leave it out: the format is read from the files"
        fail(f"--from {source!r}: must be one of {', '.join(Format)}", EXIT_BAD_INPUT, step)
    result = convert_files(files, Format(source) if source else None)
    for note in result.notes:
        typer.echo(note, err=True)
    if folder is None:
        typer.echo("---\n".join(result.files.values()), nl=False)
        return
    for path in save(result, folder):
        typer.echo(str(path))


@dataclass(slots=True)
class Result:
    """``files``: name of the new file (without a folder) to its text; ``notes``: one line each."""

    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def convert_files(paths: Sequence[Path], form: Format | None) -> Result:
    """
    Read the files and convert every document in them.

    Raises:
        ConfigError: with everything that cannot be carried, or whose conversion is no good OpenSLO v1; nothing is
            handed out then.
    """
    from observer.config.documents.marks import read_marked_all, read_text, yaml_files

    result, faults = Result(), []
    for path in yaml_files(paths):
        text = read_text(path)
        if isinstance(text, Fault):
            faults.append(text)
            continue
        for index, document in enumerate(read_marked_all(text, str(path))):
            faults += document.faults
            if document.data is not None and not document.faults:
                faults += _one(document, form, f"{path.stem}-{index}" if index else path.stem, result)
    if faults:
        refuse(faults)
    if not result.files:
        where = ", ".join(map(str, paths))
        step = "name YAML files of Sloth, Pyrra or OpenSLO, or their folder"
        raise ConfigError(f"{where}: no document in it", step=step)
    return result


def save(result: Result, folder: Path) -> list[Path]:
    """
    One file a source document. Raises: ConfigError when a file exists already or cannot be written; then none of the
    later ones is written either.
    """
    paths = [folder / name for name in result.files]
    if taken := [str(path) for path in paths if path.exists()]:
        raise ConfigError("\n".join(f"{path}: exists already; nothing was written" for path in taken))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, result.files.values(), strict=True):
            path.write_text(text)
    except OSError as exc:
        raise ConfigError(f"{folder}: cannot be written: {exc.strerror}") from exc
    return paths


def _one(document: Document, form: Format | None, stem: str, files: Result) -> Iterable[Fault]:
    conversion = converted(document.data, form)
    files.notes += [
        f"note: {document.fault(remark.path, remark.message, remark.hint)}"
        for remark in conversion.remarks
        if not remark.fatal
    ]
    if conversion.failed:
        return [
            document.fault(remark.path, remark.message, remark.hint) for remark in conversion.remarks if remark.fatal
        ]
    return _checked(document, conversion, stem, files)


def _checked(document: Document, conversion: Converted, stem: str, files: Result) -> Iterable[Fault]:
    """A conversion that this house could not read again is no conversion."""
    from observer.config.openslo.documents import parse_documents
    from observer.exchange.openslo_text import written

    text = written(conversion.documents)
    try:
        parse_documents(text, "converted")
    except ConfigError as exc:
        return [document.fault((), f"does not make good OpenSLO v1: {line}") for line in str(exc).splitlines()]
    name, count = f"{stem}.yaml", 1
    while name in files.files:
        count += 1
        name = f"{stem}-{count}.yaml"
    files.files[name] = text
    return []
