"""Which format a document has, and who reads it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from observer.exchange import openslo_v1alpha, openslo_v2alpha, pyrra, sloth
from observer.exchange.conversion import API_VERSION, Converted, Remark


class Format(StrEnum):
    """What can be read."""

    OPENSLO = "openslo"
    OPENSLO_V1ALPHA = "openslo-v1alpha"
    OPENSLO_V2ALPHA = "openslo-v2alpha"
    SLOTH = "sloth"
    SLOTH_CRD = "sloth-crd"
    PYRRA = "pyrra"


def _as_it_is(data: object) -> Converted:
    found = Converted()
    if isinstance(data, dict):
        found.documents.append(data)
    return found


_READERS: Final[dict[Format, Callable[[object], Converted]]] = {
    Format.OPENSLO: _as_it_is,
    Format.OPENSLO_V1ALPHA: openslo_v1alpha.convert,
    Format.OPENSLO_V2ALPHA: openslo_v2alpha.convert,
    Format.SLOTH: sloth.from_file,
    Format.SLOTH_CRD: sloth.from_resource,
    Format.PYRRA: pyrra.from_resource,
}
_BY_VERSION: Final = {
    API_VERSION: Format.OPENSLO,
    openslo_v1alpha.API_VERSION: Format.OPENSLO_V1ALPHA,
    openslo_v2alpha.API_VERSION: Format.OPENSLO_V2ALPHA,
    sloth.VERSION: Format.SLOTH,
    sloth.API_VERSION: Format.SLOTH_CRD,
    pyrra.API_VERSION: Format.PYRRA,
}
_KINDS: Final = {Format.SLOTH_CRD: sloth.KIND, Format.PYRRA: pyrra.KIND}


def detected(data: object) -> Format | None:
    """The format that ``apiVersion`` (Sloth's files: ``version``) and ``kind`` name, or None."""
    if not isinstance(data, dict):
        return None
    found = _BY_VERSION.get(str(data.get("apiVersion", data.get("version"))))
    if found in _KINDS and data.get("kind") != _KINDS[found]:
        return None
    return found


def converted(data: object, form: Format | None = None) -> Converted:
    """OpenSLO v1 documents of one document; ``form`` None = as it says itself."""
    chosen = form or detected(data)
    if chosen is None:
        known = ", ".join(_BY_VERSION)
        return Converted(remarks=[Remark((), "is of no known format", f"apiVersion or version: {known}", fatal=True)])
    return _READERS[chosen](data)
