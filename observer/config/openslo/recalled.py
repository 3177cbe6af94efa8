"""Objectives by the identities that the journal counted under: templates are filled for the services in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from observer.config.openslo.templates import VARIABLE, Template, expand
from observer.config.openslo.wanted import ObjectiveSet
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.slo import Objective


def recalled(known: ObjectiveSet, ids: Iterable[str]) -> Mapping[str, Objective]:
    """Those of ``ids`` that the documents of today make; the rest was counted for documents that are gone."""
    found = {one.id: one for one in known.plain}
    shapes = [(_shape(part.id), template) for template in known.templates for part in template.parts]
    wanted = set(ids)
    for key in sorted(wanted - found.keys()):
        for shape, template in shapes:
            if (match := shape.fullmatch(key)) and key not in found:
                found |= {one.id: one for one in _filled(template, match.groupdict())}
    return {key: found[key] for key in sorted(wanted & found.keys())}


def _shape(text: str) -> re.Pattern[str]:
    """The identity with its words open: each stands for one name, the same wherever it is written."""
    parts, seen, last = [], set(), 0
    for match in VARIABLE.finditer(text):
        parts.append(re.escape(text[last : match.start()]))
        word, last = match[1], match.end()
        parts.append(f"(?P={word})" if word in seen else f"(?P<{word}>[A-Za-z0-9._-]+?)")
        seen.add(word)
    return re.compile("".join([*parts, re.escape(text[last:])]))


def _filled(template: Template, words: Mapping[str, str]) -> tuple[Objective, ...]:
    if words.keys() != {"namespace", "service"}:
        return ()
    try:
        return expand(template, ServiceRef(words["namespace"], words["service"]))
    except ConfigError:
        return ()
