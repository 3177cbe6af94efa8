"""Credentials as settings name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from observer.config.documents.values import FILE
from observer.domain.settings import Setting


@dataclass(frozen=True, slots=True)
class HttpAuth:
    """Credentials for an HTTP peer; secrets only ever come from files, which are read again when they change."""

    username: Annotated[str, Setting("User of HTTP basic authentication; needs password_file.")] = ""
    password_file: Annotated[str, Setting("File that holds its password."), FILE] = ""
    bearer_file: Annotated[str, Setting("File that holds a bearer token."), FILE] = ""
    ca_file: Annotated[
        str, Setting("Certificates of authorities (PEM) that the server's is checked against."), FILE
    ] = ""
    cert_file: Annotated[str, Setting("Certificate (PEM) that is shown to the server; needs key_file."), FILE] = ""
    key_file: Annotated[str, Setting("Key (PEM) of that certificate."), FILE] = ""
    insecure_skip_verify: Annotated[bool, Setting("Do not check the server's certificate.")] = False
