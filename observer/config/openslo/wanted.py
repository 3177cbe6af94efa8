"""Which objectives hold now: those that stand for themselves, and templates for each service that a policy names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from observer.config.openslo.assemble import objectives, templates
from observer.config.openslo.documents import Documents
from observer.config.openslo.templates import VARIABLE, Template, expand
from observer.domain.cluster import ClusterView
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.policy import EffectivePolicies
from observer.domain.slo import Objective


@dataclass(frozen=True, slots=True, eq=False)
class ObjectiveSet:
    """Objectives that passed every check. ``plain`` belong to no template; ``names`` are those of all SLO documents."""

    plain: tuple[Objective, ...] = ()
    templates: tuple[Template, ...] = ()
    names: frozenset[str] = frozenset()

    @property
    def identity(self) -> str:
        """Twelve hex digits of everything that changes the arithmetic; empty without objectives."""
        if not self.plain and not self.templates:
            return ""
        parts = [f"{objective.id}={objective.version}" for objective in self.plain]
        parts += [f"{each.name}:{part.version}" for each in self.templates for part in each.parts]
        return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:12]

    def wanted(self, policies: EffectivePolicies, cluster: ClusterView) -> tuple[Objective, ...]:
        """
        The objectives of this moment, ordered by id.

        A template holds for the services of every workload whose policy names it; a service whose name no query may
        hold has none.
        """
        by_name = {template.name: template for template in self.templates}
        asked: set[tuple[str, ServiceRef]] = set()
        for workload, policy in policies.applied.items():
            wanted = by_name.keys() & set(policy.objectives)
            if not wanted:
                continue
            services = {cluster.pods[ref].service for ref in cluster.by_workload.get(workload, ())}
            asked |= {(name, service) for name in wanted for service in services}
        found = {objective.id: objective for objective in self.plain}
        for name, service in asked:
            found |= {objective.id: objective for objective in _expanded(by_name[name], service)}
        return tuple(found[key] for key in sorted(found))


def objective_set(documents: Documents, *, at: float, cluster: str = "") -> ObjectiveSet:
    """
    From documents that were read; ``at`` is now (Unix seconds), for calendar windows.

    Raises: ConfigError with every reference that leads nowhere and everything that cannot be evaluated.
    """
    return ObjectiveSet(
        plain=objectives(documents, at=at, cluster=cluster),
        templates=templates(documents, at=at, cluster=cluster),
        names=frozenset(slo.name for slo in documents.slos),
    )


def _expanded(template: Template, service: ServiceRef) -> tuple[Objective, ...]:
    try:
        return expand(template, service)
    except ConfigError:
        return ()


def recalled(objective_set: ObjectiveSet, ids: Iterable[str]) -> Mapping[str, Objective]:
    """Those of ``ids`` that the documents of today make; the rest was counted for documents that are gone."""
    found = {objective.id: objective for objective in objective_set.plain}
    shapes = [(_shape(part.id), template) for template in objective_set.templates for part in template.parts]
    wanted = set(ids)
    for key in sorted(wanted - found.keys()):
        for shape, template in shapes:
            if (match := shape.fullmatch(key)) and key not in found:
                found |= {objective.id: objective for objective in _filled(template, match.groupdict())}
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
