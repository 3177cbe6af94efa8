"""What a request carries besides its question; secrets are read again when their file changes."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from observer.config.settings.sources import HttpAuth
from observer.domain.errors import ConfigError, SourceUnavailable


def address_of(url: str) -> str:
    """Scheme, host and port only: what an error message may show."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def checked_url(url: str, section: str) -> str:
    """
    ``url`` without a slash at its end; ``section`` is the part of the settings that it stands in.

    Raises ``ConfigError`` when it is no plain HTTP address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ConfigError(f"{section}.url: {exc}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ConfigError(f"{section}.url: {address_of(url)} is not an http or https address")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{section}.url: credentials belong in files named under {section}.auth, not in the address")
    if parts.query or parts.fragment:
        raise ConfigError(f"{section}.url: takes a path prefix, but no query and no fragment")
    return url.rstrip("/")


class SecretFile:
    """
    One secret in a file, or several with ``lines``. ``read`` looks at the file's times and size and reads it only when
    they changed.
    """

    def __init__(self, path: str, *, lines: bool = False) -> None:
        self._path, self._seen, self._text, self._lines = Path(path), (0, 0, 0), "", lines

    def known(self) -> str:
        """The secret as it was last read; empty before that."""
        return self._text

    def read(self) -> str:
        """The secret without white space around it; raises ``SourceUnavailable`` when it cannot be read or is empty."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._seen:
                self._text, self._seen = self._path.read_text(encoding="utf-8").strip(), stamp
        except (OSError, UnicodeDecodeError) as exc:
            raise SourceUnavailable(f"{self._path} cannot be read: {type(exc).__name__}", reason="denied") from exc
        printable = all(map(str.isprintable, self._text.splitlines() if self._lines else [self._text]))
        if not self._text or not printable:
            raise SourceUnavailable(f"{self._path} holds no usable secret", reason="denied")
        return self._text


class Credentials:
    """
    Headers and TLS context for each request, fresh from the files that ``HttpAuth`` names.

    ``fixed`` headers go with every request; ``section`` is named in ``ConfigError``.
    """

    def __init__(self, auth: HttpAuth, *, url: str, fixed: Mapping[str, str], section: str) -> None:
        self._auth = auth
        self._secure = url.startswith("https:")
        self._password = SecretFile(auth.password_file) if auth.password_file else None
        self._bearer = SecretFile(auth.bearer_file) if auth.bearer_file else None
        self._fixed = dict(fixed)
        self._context: ssl.SSLContext | None = None
        self._context_from: tuple[int, ...] = ()
        _check(auth, self._fixed, section)

    def headers(self) -> dict[str, str]:
        """All headers of the next request."""
        headers = dict(self._fixed)
        if self._bearer is not None:
            headers["Authorization"] = f"Bearer {self._bearer.read()}"
        elif self._auth.username:
            headers["Authorization"] = (
                f"Basic {_pair(self._auth.username, self._password.read() if self._password else '')}"
            )
        return headers

    def hidden_in(self, body: bytes) -> bytes:
        """``body`` without our secrets: some servers repeat in their refusal what they were sent."""
        secrets = [file.known() for file in (self._bearer, self._password) if file is not None]
        if self._password is not None:
            secrets.append(_pair(self._auth.username, self._password.known()))
        for secret in filter(None, secrets):
            body = body.replace(secret.encode(), b"[redacted]")
        return body

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context of the next request, None for plain HTTP; made again when a certificate file changed."""
        if not self._secure:
            return None
        files = tuple(path for path in (self._auth.ca_file, self._auth.cert_file, self._auth.key_file) if path)
        try:
            changed = tuple(Path(path).stat().st_mtime_ns for path in files)
            if self._context is None or changed != self._context_from:
                self._context, self._context_from = _context(self._auth), changed
        except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
            raise SourceUnavailable(f"certificates cannot be loaded: {type(exc).__name__}", reason="denied") from exc
        return self._context


def _pair(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def _context(auth: HttpAuth) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=auth.ca_file or None)
    if auth.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if auth.cert_file:
        context.load_cert_chain(auth.cert_file, auth.key_file or None)
    return context


def _check(auth: HttpAuth, headers: Mapping[str, str], section: str) -> None:
    if auth.bearer_file and auth.username:
        raise ConfigError(f"{section}.auth: give either username or bearer_file")
    if auth.key_file and not auth.cert_file:
        raise ConfigError(f"{section}.auth: key_file needs cert_file")
    for name, value in headers.items():
        if not name or not name.isascii() or not (name + value).isprintable() or ":" in name or " " in name:
            raise ConfigError(f"{section}.headers: {name!r} is not a header that can be sent")
