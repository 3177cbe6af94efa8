"""
One SLO document for each service that a policy selects: ``$namespace`` and ``$service`` in its queries.

The words may stand only inside the quotes of a label matcher; in a regular expression they match literally.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Final

from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.slo import Objective, Query, RatioSli, ThresholdSli

_ARITHMETIC = (
    "sli",
    "target",
    "window",
    "method",
    "scope",
    "slice_target",
    "slice_seconds",
    "no_data",
    "weight",
    "composite",
    "preset",
    "cut_ms",
    "cluster",
)


def identified(objective: Objective) -> Objective:
    """
    The objective with its ``version``: twelve hex digits of all that changes its counts or its budget.

    Texts, labels and who is told do not count; nor do the computed bounds of a calendar, which move with the clock.
    """
    values = asdict(objective)
    arithmetic = {key: values[key] for key in _ARITHMETIC}
    arithmetic["window"].pop("bounds", None)
    text = json.dumps(arithmetic, sort_keys=True, separators=(",", ":"))
    return replace(objective, version=hashlib.sha256(text.encode()).hexdigest()[:12])


VARIABLE: Final = re.compile(r"\$(namespace|service)(?![A-Za-z0-9_])")
_STRING: Final = re.compile(r"""(?P<op>[=!]~\s*)?(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)""")
_PLAIN: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Template:
    """An SLO with ``observer.dev/each: service``; ``parts`` are its objectives with the words still in them."""

    name: str
    parts: tuple[Objective, ...]


def expand(template: Template, service: ServiceRef) -> tuple[Objective, ...]:
    """The template's objectives for one service. Raises: ConfigError for a name that no Kubernetes label can hold."""
    for name in (service.namespace, service.name):
        if not _PLAIN.fullmatch(name):
            raise ConfigError(f'template {template.name}: "{name}" is no name that a query may hold')
    return tuple(_filled(part, service) for part in template.parts)


def _filled(part: Objective, service: ServiceRef) -> Objective:
    return identified(
        replace(
            part,
            id=_named(part.id, service),
            slo=_named(part.slo, service),
            composite=_named(part.composite, service),
            service=_named(part.service, service),
            display=_named(part.display, service),
            scope=service,
            sli=filled_sli(part.sli, service),
        )
    )


def filled_sli(sli: RatioSli | ThresholdSli, service: ServiceRef) -> RatioSli | ThresholdSli:
    """The indicator with the words of its queries replaced."""
    if isinstance(sli, ThresholdSli):
        return replace(sli, metric=_query(sli.metric, service))
    return replace(
        sli,
        total=sli.total and _query(sli.total, service),
        good=sli.good and _query(sli.good, service),
        bad=sli.bad and _query(sli.bad, service),
        raw=sli.raw and _query(sli.raw, service),
    )


def _query(query: Query, service: ServiceRef) -> Query:
    return replace(query, expr=substituted(query.expr, service))


def substituted(expr: str, service: ServiceRef) -> str:
    """``expr`` with the words inside its string literals replaced; the others are left, see ``misplaced``."""

    def literal(match: re.Match[str]) -> str:
        # [.] and not \. : a backslash would have to be doubled or not depending on the kind of quotes.
        regex = match["op"] is not None
        values = {"namespace": service.namespace, "service": service.name}
        if regex:
            values = {key: value.replace(".", "[.]") for key, value in values.items()}
        return (match["op"] or "") + VARIABLE.sub(lambda found: values[found[1]], match["text"])

    return _STRING.sub(literal, expr)


def misplaced(expr: str) -> str:
    """The first word that stands outside a string literal, empty when there is none."""
    found = VARIABLE.search(_STRING.sub("", expr))
    return found[0] if found else ""


def _named(text: str, service: ServiceRef) -> str:
    values = {"namespace": service.namespace, "service": service.name}
    return VARIABLE.sub(lambda found: values[found[1]], text)
