"""
What Observer did, as annotations: one a write, from the act to its verdict or its undoing.

Grafana has no idempotency key. Each annotation therefore carries the id of its act as a tag and is looked for before
it is made, so that a restart or a lost answer makes no second one. An annotation that a person removed stays removed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from observer import actions
from observer.actions.model import ActionSpec
from observer.domain import names
from observer.domain.action import ActionKind, Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.json_values import number
from observer.domain.kinds import Kind
from observer.domain.outcome import Result
from observer.sinks.grafana.client import GrafanaClient, refusal

_BACK: Final = 7 * 86_400.0
"""How long ago an act may have begun whose end is still looked for, seconds."""
_REMEMBERED: Final = 512
_LONGEST: Final = 4000
_PATH: Final = "/api/annotations"
_FOLLOWS: Final = {
    Kind.DRAIN_EFFECTIVE: actions.Effect.EXPERIMENT,
    Kind.DRAIN_VERDICT: actions.Effect.EXPERIMENT,
    Kind.REPLACED: actions.Effect.REPLACEMENT,
}
"""Which actions of its incident a decision adds a line to, by their effect."""


@dataclass(slots=True)
class _Note:
    """One annotation as it is to be; ``id`` 0 = not made yet, ``gone`` = a person removed it."""

    act: str
    began: float
    tags: list[str]
    lines: list[str] = field(default_factory=list)
    ended: float = 0.0
    id: int = 0
    written: tuple[int, float, int] = (0, 0.0, 0)
    gone: bool = False

    def state(self) -> tuple[int, float, int]:
        return len(self.lines), self.ended, len(self.tags)


class GrafanaAnnotations:
    """
    Implements ``ports.actuators.Sink``. Annotations belong to no dashboard: all of ours show them by their tag.

    A write that failed is made up for by the next one of the same act.
    """

    name = "grafana"

    def __init__(self, client: GrafanaClient) -> None:
        self._client = client
        self._notes: OrderedDict[tuple[str, ActionKind], _Note] = OrderedDict()

    async def publish(self, decision: Decision) -> None:
        """Raises: GrafanaRefused, SourceUnavailable."""
        carried_out = _carried_out(decision)
        if decision.verdict is not Verdict.TELL and not carried_out:
            return
        for spec in actions.every():
            if _ends(decision, spec):
                await self._follow(decision, spec.kind, ends=True)
            elif _FOLLOWS.get(decision.kind) is spec.effect:
                await self._follow(decision, spec.kind, ends=False)
        if carried_out and actions.harmful(decision.action_kind):
            await self._begin(decision)

    async def close(self) -> None:
        await self._client.close()

    async def _begin(self, decision: Decision) -> None:
        action_kind, act = decision.action_kind, decision.action.id if decision.action is not None else ""
        if action_kind is None or not act:
            return
        key = (decision.incident, action_kind)
        note = self._notes.get(key)
        if note is None or note.act != act:
            note = _Note(act, decision.at, _tags(decision, act))
        self._keep(key, note)
        _add(note, decision)
        await self._write(note)

    async def _follow(self, decision: Decision, action_kind: ActionKind, *, ends: bool) -> None:
        key = (decision.incident, action_kind)
        note = self._notes.get(key)
        if note is None:
            tags = (_tag("incident", decision.incident), _tag("action", action_kind.value))
            note = await self._found(decision.at, tags) if decision.incident else None
            if note is None:
                return
            self._keep(key, note)
        if note.ended:
            if decision.kind == "closed":
                return  # its own verdict said more
        elif ends:
            note.ended = decision.at
        if decision.kind == "verified":
            note.tags = list(dict.fromkeys((*note.tags, _tag("verdict", decision.reason))))
        _add(note, decision)
        await self._write(note)

    async def _found(self, at: float, tags: Iterable[str]) -> _Note | None:
        """The newest annotation with all of these tags, as Grafana has it."""
        wanted = [("tags", tag) for tag in (names.GRAFANA_TAG, *tags)]
        span = [("from", _ms(at - _BACK)), ("to", _ms(at + 3600.0)), ("limit", 100)]
        response = await self._client.request(
            "GET", _PATH, parameters=[*wanted, *((key, str(value)) for key, value in span), ("type", "annotation")]
        )
        if not response.ok:
            raise refusal(response, "looking for an annotation")
        notes = [note for row in response.rows() if (note := _read(row)).id]
        return max(notes, key=lambda note: (note.began, note.id), default=None)

    async def _write(self, note: _Note) -> None:
        if note.gone or (note.id and note.written == note.state()):
            return
        if not note.id and (made := await self._found(note.began, (_tag("act", note.act),))) is not None:
            # Ours, made before a restart, or its answer was lost.
            note.id, note.lines = made.id, list(dict.fromkeys((*made.lines, *note.lines)))
            note.ended = note.ended or made.ended
        state = note.state()
        body: dict[str, object] = {"text": "\n".join(note.lines)[:_LONGEST], "tags": note.tags}
        if note.ended:
            body["timeEnd"] = _ms(note.ended)
        if note.id:
            response = await self._client.request("PATCH", f"{_PATH}/{note.id}", body=body)
            note.gone = response.status == 404
            if not response.ok and not note.gone:
                raise refusal(response, "changing an annotation")
        else:
            response = await self._client.request("POST", _PATH, body={**body, "time": _ms(note.began)})
            made_id = response.mapping().get("id")
            if not response.ok or not isinstance(made_id, int):
                raise refusal(response, "making an annotation")
            note.id = made_id
        note.written = state

    def _keep(self, key: tuple[str, ActionKind], note: _Note) -> None:
        self._notes[key] = note
        self._notes.move_to_end(key)
        if len(self._notes) > _REMEMBERED:
            self._notes.popitem(last=False)


def _ends(decision: Decision, spec: ActionSpec) -> bool:
    """Whether a decision ends such an action of its incident: what undoes it, what comes after it, and the end."""
    if decision.kind == Kind.CLOSED:
        return spec.harmful
    if decision.kind == Kind.VERIFIED:
        return spec.effect is actions.Effect.REPLACEMENT
    follows = (actions.Effect.RESTORED, actions.Effect.REPLACEMENT)
    doing = decision.action_kind if str(decision.kind) == str(decision.action_kind) else None
    return spec.runs and any(actions.has_effect(doing, effect) for effect in follows)


def _carried_out(decision: Decision) -> bool:
    done = decision.outcome is not None and decision.outcome.result is Result.APPLIED
    return decision.verdict is Verdict.ACT and done and decision.mode is not Mode.DRY_RUN


def _tags(decision: Decision, act: str) -> list[str]:
    """All of one act's tags; the first is that of all of Observer's annotations."""
    where = decision.workload or decision.service
    tags = [names.GRAFANA_TAG, _tag("act", act), _tag("incident", decision.incident)]
    tags += [_tag("action", decision.action_kind.value)] if decision.action_kind is not None else []
    tags += [_tag("namespace", where.namespace), _tag("workload", where.name)] if where is not None else []
    return tags


def _tag(key: str, value: str) -> str:
    return f"{key}:{value}"


def _add(note: _Note, decision: Decision) -> None:
    """The decision's sentence as a line of its own, once."""
    line = " ".join((decision.text or f"{decision.kind}: {decision.subject}: {decision.reason}").split())
    if line not in note.lines:
        note.lines.append(line)


def _read(row: Mapping[str, object]) -> _Note:
    """An annotation as Grafana lists it; one without a usable id gets the id 0."""
    listed = row.get("tags")
    tags = [str(tag) for tag in listed] if isinstance(listed, list) else []
    act = next((tag.removeprefix("act:") for tag in tags if tag.startswith("act:")), "")
    began, ended = number(row.get("time")), number(row.get("timeEnd"))
    lines = str(row.get("text") or "").split("\n")
    key = row.get("id")
    note = _Note(act, began / 1000, tags, [line for line in lines if line], id=key if isinstance(key, int) else 0)
    note.ended = ended / 1000 if ended > began else 0.0  # Grafana gives every annotation an end, at first its beginning
    note.written = note.state()
    return note


def _ms(at: float) -> int:
    return round(at * 1000)
