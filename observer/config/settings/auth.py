"""Credentials as settings name them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpAuth:
    """Credentials for an HTTP peer; secrets only ever come from files, which are read again when they change."""

    username: str = ""
    password_file: str = ""
    bearer_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False
