"""A world for page and API: the engine's own decisions over drawn traffic, kept in a real journal, in a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

from observer.config.reload import Rules, rules_of
from observer.config.settings.links import Links
from observer.config.settings.read import default
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.circuit import Circuit
from observer.domain.decision import Decision, Verdict
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.outcome import Outcome, Result
from observer.domain.policy import EffectivePolicies, EffectivePolicy
from observer.domain.slo import (
    BURN_PRESETS,
    BudgetStatus,
    DataState,
    Objective,
    ObjectiveStatus,
    Preset,
    Query,
    RatioSli,
    RollingWindow,
    TierStatus,
)
from observer.domain.snapshot import Gap, Snapshot
from observer.engine.decide import apply_outcome, decide
from observer.engine.memory import Memory
from observer.engine.remediation.approvals import waiting
from observer.journal.store import SqlJournal
from observer.runtime.execute import with_outcome
from observer.runtime.inbox import ApprovalCache
from observer.runtime.operator_actions import OperatorActions
from observer.runtime.status import LoopStatus
from observer.telemetry.metrics import SelfMetrics
from observer.web.people.auth import AuthMiddleware, SignInMethods
from observer.web.people.sessions import LocalToken, Sessions, Throttle
from observer.web.people.sign_in import SignIn
from observer.web.queries import Queries, ViewCache
from observer.web.server import People
from tests.bench.picture import START
from tests.bench.world import Fault, Regime, World
from tests.support.fakes import FakeClock, FakeLease, FakeSwitch

SERVICES: Final = (
    ServiceRef("shop", "catalog"),
    ServiceRef("shop", "checkout"),
    ServiceRef("shop", "cart"),
    ServiceRef("shop", "frontend"),
    ServiceRef("shop", "payment"),
    ServiceRef("shop", "recommend"),
    ServiceRef("stock", "warehouse"),
    ServiceRef("stock", "prices"),
    ServiceRef("users", "accounts"),
    ServiceRef("users", "sessions"),
)
CALLS: Final = (
    ("frontend", "catalog"), ("frontend", "cart"), ("frontend", "checkout"), ("frontend", "sessions"),
    ("frontend", "recommend"), ("catalog", "prices"), ("catalog", "warehouse"), ("checkout", "payment"),
    ("checkout", "accounts"), ("cart", "prices"), ("recommend", "prices"),
    ("sessions", "accounts"),
)  # fmt: skip
LINKS: Final = Links(
    {
        "page": "https://observer.example.test/incidents/{incident}",
        "jaeger": "https://jaeger.example.test/search?service={service}.{namespace}",
        "kiali": "https://kiali.example.test/kiali/console/namespaces/{namespace}/workloads/{workload}",
        "grafana": "https://grafana.example.test/d/workload?var-workload={workload}&from={from_ms}&to={to_ms}",
    },
    "",
)
FAULT_FROM: Final = 120
TOKEN: Final = "the-token-of-this-start"


@dataclass
class PageWorld:
    """
    Ticks of five seconds. ``catalog`` is enforced, every rung of ``checkout`` needs a person, ``cart`` is in shadow;
    after two minutes the first pod of each of the first ``sick`` services fails 30 % of its requests.
    """

    journal: SqlJournal
    named: tuple[ServiceRef, ...] = SERVICES
    sick: int = 3
    covered: int = 8
    """So many services have an objective whose budget is well; the last one burns."""
    overdrawn: str = "prices"
    """The covered service whose budget is overdrawn while nothing burns any more."""
    size: int = 6
    seed: int = 7
    gaps: tuple[Gap, ...] = ()
    memory: Memory = field(default_factory=Memory)
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        fault = Fault(FAULT_FROM, 0.3, self.sick) if self.sick else None
        self.world = World(Regime("page"), len(self.named), self.size, seed=self.seed, fault=fault, named=self.named)
        self.clock = FakeClock(START)
        self.rules = _rules()
        self.settings = self.rules.settings.engine
        self.policies = _book(self.named, self.rules)
        circuits = {"kiali": Circuit().succeeded(START), "jaeger": Circuit()}
        self.metrics = SelfMetrics()
        self.loop_status = LoopStatus(
            self.settings, self.clock, self.metrics, circuits=lambda: circuits, rules=self.rules
        )
        self.cache = ViewCache(self.loop_status, self.clock)
        self.queries = Queries(self.cache, self.journal.archive, self.clock, links_of=lambda one: LINKS.of(one, ""))
        self._stream = self.world.stream(86_400)
        self.switch, self.keeper = FakeSwitch(), ApprovalCache(self.journal.approvals, self.clock)
        self.desk = OperatorActions(
            approvals=self.keeper,
            restore=_Giver(self.world),
            switch=self.switch,
            lease=FakeLease(),
            clock=self.clock,
            incidents=lambda: self.memory.incidents,
            record=self._record,
            mode=lambda: Mode.ENFORCE,
        )

    @classmethod
    async def open(cls, folder: Path, **options: object) -> Self:
        """With a journal in ``folder``, to be closed."""
        journal = await SqlJournal.open(f"sqlite+aiosqlite:///{folder / 'page.db'}")
        return cls(journal, **options)  # type: ignore[arg-type]

    async def close(self) -> None:
        self.metrics.close()
        await self.journal.close()

    def people(self) -> People:
        """Whoever has the local token may do everything; anybody may read."""
        sessions = Sessions(self.clock, lasts=28_800.0, idle=3600.0)
        door = AuthMiddleware(SignInMethods(local=LocalToken(TOKEN)), sessions, Throttle(self.clock), secure=False)
        return People(door, SignIn(door), self.desk)

    def incident(self, name: str) -> str:
        """The id of a pod's incident."""
        return next(key for key, one in self.memory.incidents.items() if one.culprit.name == name)

    async def ticks(self, count: int) -> Self:
        for _ in range(count):
            await self.tick()
        return self

    async def until(self, kind: str, name: str = "catalog", limit: int = 120) -> Self:
        """Tick until a decision of this kind about the service was recorded."""
        for _ in range(limit):
            await self.tick()
            if any(
                decision.kind == kind and decision.service and decision.service.name == name
                for decision in self.decisions
            ):
                return self
        raise AssertionError(
            f"never {kind}: {sorted({(decision.kind, decision.reason) for decision in self.decisions})}"
        )

    async def tick(self) -> None:
        """Five seconds of traffic, one decision, carried out and recorded."""
        self.world.asked, self.world.watched = self.memory.recheck, self.memory.watch
        paused = await self.switch.read()
        snapshot = self._dressed(next(self._stream), *paused)
        self.clock.at = snapshot.at
        self.memory, decisions = decide(snapshot, self.memory, self.settings, self.policies)
        for decision in decisions:
            await self._follow(decision, snapshot.at)
        self.keeper.wanted(waiting(self.memory, snapshot.cluster, self.settings, self.policies))
        for incident in self.memory.incidents.values():
            await self.journal.save(incident)
        self.loop_status.ticked(self.memory, snapshot, 0.02, "", self.policies)
        await self.cache.refresh()

    async def _follow(self, decision: Decision, at: float) -> None:
        if decision.verdict is not Verdict.ACT or decision.action is None:
            await self._record(decision)
            return
        outcome = self.world.obey(decision.action)
        assert outcome.result is Result.APPLIED
        await self._record(with_outcome(decision, outcome))
        self.memory, more = apply_outcome(self.memory, decision, outcome, at, self.settings, self.policies)
        for one in more:
            await self._record(one)

    async def _record(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.loop_status.decided(decision)
        await self.journal.record(decision)

    def _dressed(self, snapshot: Snapshot, paused: bool, reason: str) -> Snapshot:
        control = replace(snapshot.control, paused=paused, reason=reason if paused else "")
        return replace(
            snapshot,
            control=control,
            gaps=self.gaps,
            approvals=self.keeper.standing(snapshot.at),
            objectives={
                one: (objective(one, snapshot.at, spent=1.3 if one.name == self.overdrawn else 0.1),)
                for one in self.named[: self.covered]
            }
            | {self.named[-1]: (objective(self.named[-1], snapshot.at, spent=1.2, told="ticket"),)},
            graph=graph(self.named, snapshot.at, self.sick if snapshot.at > START + FAULT_FROM else 0),
        )


@dataclass
class _Giver:
    """Gives a pod back in the drawn world."""

    world: World

    async def apply(self, action: Action) -> Outcome:
        return self.world.obey(action)

    async def look_up(self, action: Action) -> Outcome:
        return self.world.obey(action)


def _rules() -> Rules:
    base = default()
    settings = replace(base, engine=replace(base.engine, mode=Mode.ENFORCE))
    return rules_of(settings, START)


def _book(named: Sequence[ServiceRef], rules: Rules) -> EffectivePolicies:
    plain = replace(EffectivePolicy.of(rules.settings.engine), names=("platform-default",))
    changes: Mapping[str, EffectivePolicy] = {
        "checkout": replace(plain, names=("platform-default", "shop-checkout"), approvals=frozenset(HARM)),
        "cart": replace(plain, names=("platform-default", "shop-cart"), mode=Mode.SHADOW),
    }
    refs = (WorkloadRef(one.namespace, "Deployment", one.name) for one in named)
    return EffectivePolicies("page-world", {ref: changes.get(ref.name, plain) for ref in refs})


HARM: Final = (ActionKind.DRAIN, ActionKind.EVICT)


def objective(service: ServiceRef, at: float, *, spent: float, told: str = "") -> ObjectiveStatus:
    """An availability objective of 99.9 % over 30 days with so much of its budget spent."""
    tiers = BURN_PRESETS["sre-30d"]
    found = Objective(
        id=f"{service.namespace}/{service.name}-availability",
        version="1",
        slo=f"{service.name}-availability",
        service=service.name,
        sli=RatioSli(total=Query("requests"), good=Query("good")),
        target=0.999,
        window=RollingWindow(30 * 86_400.0),
        display=f"{service.name.capitalize()} answers",
        scope=service,
        tiers=tiers,
        preset=Preset.ISTIO_AVAILABILITY,
    )
    burn = 4.0 if told else 0.4
    return ObjectiveStatus(
        objective=found,
        at=at,
        state=DataState.OK,
        detail="",
        budget=BudgetStatus(at - 30 * 86_400.0, 1e6 - 1e3 * spent, 1e6, spent, 86_400.0 if told else None),
        tiers=tuple(TierStatus(tier, burn, burn, 40.0, 1e5, over=bool(told)) for tier in tiers),
        rate=100.0,
        alert=told,
        text=f"{service.name}-availability burns its budget {burn:g} times too fast" if told else "",
    )


def graph(named: Sequence[ServiceRef], at: float, sick: int) -> CallGraph:
    """The calls of the shop; those to the first ``sick`` services fail as often as one pod of six makes them."""
    by_name = {one.name: one for one in named}
    pairs = [(by_name[a], by_name[b]) for a, b in CALLS if a in by_name and b in by_name]
    pairs += list(pairwise(named)) if not pairs else []
    entry = ServiceRef("", "unknown")
    told = frozenset({EdgeSource.KIALI})
    edges = [Edge(entry, pairs[0][0], 6000.0, 12.0, {"": 12.0}, sources=told)]
    for caller, callee in pairs:
        errors = 300.0 if callee in named[:sick] else 2.0
        flags = {"": errors - 1.0, "UC": 1.0}
        edges.append(
            Edge(caller, callee, 6000.0, errors, flags, p95_seconds=0.043, sources=frozenset({EdgeSource.KIALI}))
        )
    return CallGraph(at, 60.0, tuple(edges))
