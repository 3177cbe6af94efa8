"""Documents joined by their references and turned into objectives, every fault at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from observer.config.documents.faults import Fault, refuse
from observer.config.documents.marks import Path
from observer.config.openslo.annotations import BURN_SETS
from observer.config.openslo.documents import Documents, Placed
from observer.config.openslo.indicators import IndicatorReader, service_of, unknown_source
from observer.config.openslo.models import Objective as ObjectiveModel
from observer.config.openslo.models import SliSpec, SloSpec
from observer.config.openslo.templates import Template, identified
from observer.config.openslo.tiers import Rule, rule_of, tiers_of
from observer.config.openslo.windows import window_of
from observer.config.openslo.words import seconds
from observer.domain import names
from observer.domain.slo import BudgetingMethod, BurnTier, LowTraffic, NoData, Objective, Preset, RatioSli, ThresholdSli

NO_NAMESPACE: Final = "-"
"""Stands for the namespace in the id of an objective that belongs to no service; no namespace can be called so."""


@dataclass(frozen=True, slots=True)
class Made:
    """An objective and where it came from; ``index`` is its place in the SLO's ``objectives``."""

    objective: Objective
    slo: Placed[SloSpec]
    sli: Placed[SliSpec]
    index: int


@dataclass(slots=True)
class Assembled:
    """``made`` holds the objectives of templates too, with ``$namespace`` and ``$service`` still in them."""

    made: list[Made] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    indicators: list[Placed[SliSpec]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Those that need no service to be complete."""
        return tuple(
            made_objective.objective
            for made_objective in self.made
            if not made_objective.slo.annotation(names.SLO_EACH)
        )


def objectives(documents: Documents, *, at: float, cluster: str = "") -> tuple[Objective, ...]:
    """
    The objectives of all SLO documents that are no templates; ``at`` is now (Unix seconds), for calendar windows.

    Raises:
        ConfigError: with every reference that leads nowhere and everything that cannot be evaluated.
    """
    return _good(documents, at, cluster).objectives


def templates(documents: Documents, *, at: float, cluster: str = "") -> tuple[Template, ...]:
    """The SLO documents with ``observer.dev/each: service``. Raises: ConfigError, as ``objectives``."""
    return tuple(_good(documents, at, cluster).templates)


def _good(documents: Documents, at: float, cluster: str) -> Assembled:
    assembled = assemble(documents, at=at, cluster=cluster)
    faults = [*assembled.faults, *(fault for sli in assembled.indicators for fault in unknown_source(sli, documents))]
    if faults:
        refuse(faults)
    return assembled


def assemble(documents: Documents, *, at: float, cluster: str = "") -> Assembled:
    """The same without raising: what could be made, and every fault."""
    found = Assembled()
    for slo in documents.slos:
        before = len(found.made)
        _one(slo, documents, at, cluster, found)
        if slo.annotation(names.SLO_EACH):
            found.templates.append(
                Template(slo.name, tuple(made_objective.objective for made_objective in found.made[before:]))
            )
    return found


def _one(slo: Placed[SloSpec], documents: Documents, at: float, cluster: str, assembled: Assembled) -> None:
    rules, tiers = _alerting(slo, documents, assembled)
    for index, model in enumerate(slo.spec.objectives):
        sli = _indicator(slo, model, index, documents, assembled)
        if sli is None:
            continue
        assembled.indicators.append(sli)
        read = IndicatorReader(slo, sli, documents, assembled.faults)
        indicator = read.of(model, index)
        if indicator is not None:
            objective = _objective(slo, model, sli.name, indicator, at, cluster)
            objective = _with_people(objective, slo, rules, tiers)
            name = _part_name(slo, index, sli, assembled)
            assembled.made.append(Made(identified(_named(objective, slo, name)), slo, sli, index))


def _alerting(
    slo: Placed[SloSpec], documents: Documents, assembled: Assembled
) -> tuple[list[Rule], tuple[BurnTier, ...]]:
    rules: list[Rule] = []
    for index, item in enumerate(slo.spec.alert_policies):
        at: Path = ("spec", "alertPolicies", index)
        if item.metadata is not None and item.spec is not None:
            policy = Placed("AlertPolicy", item.metadata, item.spec, slo.document, at)
        elif (named := item.alert_policy_ref or "") in documents.policies:
            policy = documents.policies[named]
        else:
            assembled.faults.append(slo.fault((*at, "alertPolicyRef"), f'no AlertPolicy is named "{named}"'))
            continue
        rule, faults = rule_of(policy, documents)
        assembled.faults += faults
        rules += [rule] if rule else []
    tiers, faults = tiers_of(rules, documents)
    assembled.faults += faults
    assembled.rules += rules
    ready = BURN_SETS.get(slo.annotation(names.SLO_BURN), ())
    taken = {tier.name for tier in tiers}
    for tier in ready:
        if tier.name in taken:
            message = f'an AlertPolicy has the name of its tier "{tier.name}"'
            assembled.faults.append(slo.annotation_fault(names.SLO_BURN, message, "rename the policy"))
    return rules, (*tiers, *ready)


def _indicator(
    slo: Placed[SloSpec], model: ObjectiveModel, index: int, documents: Documents, assembled: Assembled
) -> Placed[SliSpec] | None:
    own = model.has_indicator
    inline, reference = (model.indicator, model.indicator_ref) if own else (slo.spec.indicator, slo.spec.indicator_ref)
    base: Path = ("spec", "objectives", index) if own else ("spec",)
    if inline is not None:
        return Placed("SLI", inline.metadata, inline.spec, slo.document, (*base, "indicator"))
    named = documents.slis.get(reference or "")
    if named is None:
        assembled.faults.append(slo.fault((*base, "indicatorRef"), f'no SLI is named "{reference}"'))
    return named


def _objective(
    slo: Placed[SloSpec], model: ObjectiveModel, sli: str, indicator: RatioSli | ThresholdSli, at: float, cluster: str
) -> Objective:
    spec, preset = slo.spec, slo.annotation(names.SLO_PRESET)
    target = model.target if model.target is not None else round((model.target_percent or 0.0) / 100, 12)
    sliced = spec.budgeting_method != "Occurrences"
    return Objective(
        id="",
        version="",
        slo=slo.name,
        service=spec.service,
        sli=indicator,
        target=target,
        window=window_of(spec.time_window[0], at),
        method=BudgetingMethod(spec.budgeting_method),
        display=model.display_name or slo.metadata.display_name or sli,
        slice_target=(model.time_slice_target or 0.0) if spec.budgeting_method == "Timeslices" else 0.0,
        slice_seconds=seconds(model.time_slice_window) if sliced and model.time_slice_window else 0.0,
        weight=model.composite_weight if model.composite_weight is not None else 1.0,
        preset=Preset(preset) if preset else None,
        cut_ms=float(slo.annotation(names.SLO_CUT_MS) or 0),
        cluster=slo.annotation(names.SLO_CLUSTER) or cluster,
    )


def _with_people(
    objective: Objective, slo: Placed[SloSpec], rules: Sequence[Rule], tiers: tuple[BurnTier, ...]
) -> Objective:
    default = LowTraffic()
    silent = NoData.PAGE if any(rule.policy.spec.alert_when_no_data for rule in rules) else NoData.HOLD
    word = slo.annotation(names.SLO_NO_DATA)
    return replace(
        objective,
        tiers=tiers,
        no_data=NoData(word) if word else silent,
        low_traffic=LowTraffic(
            float(slo.annotation(names.SLO_MIN_BAD_EVENTS) or default.min_bad),
            float(slo.annotation(names.SLO_CONFIDENCE) or default.confidence),
        ),
    )


def _part_name(slo: Placed[SloSpec], index: int, sli: Placed[SliSpec], assembled: Assembled) -> str:
    """
    What tells the objectives of one SLO apart, empty when there is but one: a composite's by their indicator, others
    by their place. An indicator that comes twice gets its count.
    """
    if len(slo.spec.objectives) == 1 and not slo.spec.composite:
        return ""
    if not slo.spec.composite:
        return str(index + 1)
    earlier = sum(
        1 for made_objective in assembled.made if made_objective.slo is slo and made_objective.sli.name == sli.name
    )
    return f"{sli.name}.{earlier + 1}" if earlier else sli.name


def _named(objective: Objective, slo: Placed[SloSpec], part: str) -> Objective:
    scope = slo.annotation(names.SLO_SCOPE)
    if slo.annotation(names.SLO_EACH):
        # A name has no dot, so that what stands before the first one is the template.
        whole, service = f"$namespace/{slo.name}.$service", None
    else:
        service = service_of(scope) if scope else None
        whole = f"{service.namespace if service else NO_NAMESPACE}/{slo.name}"
    return replace(
        objective, id=f"{whole}#{part}" if part else whole, scope=service, composite=whole if slo.spec.composite else ""
    )
