"""The kinds of decisions: what each means, and which steps of an incident's way it stands for."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self


class Stage(StrEnum):
    """The steps from a snapshot to the people who are told; the order is that of the loop."""

    SENSE = "sense"
    JUDGE = "judge"
    ATTRIBUTION = "attribution"
    CHOOSE = "choose"
    GUARD = "guard"
    ACT = "act"
    VERIFY = "verify"
    TELL = "tell"


class Vocabulary(StrEnum):
    """
    A list of words for machines, each with one sentence (``meaning``) for people.

    What people write is checked against the list. What another version wrote, or a source said, can be read all the
    same: such a word is no member, and ``listed`` is false.
    """

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_, member.meaning = word, meaning
        return member

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_, member._value_, member.meaning = value.upper(), value, value.replace("_", " ")
        return member

    @property
    def listed(self) -> bool:
        """It stands in the list."""
        return type(self).__members__.get(self._name_) is self


_SUSPICION = (Stage.SENSE, Stage.JUDGE, Stage.ATTRIBUTION, Stage.TELL)
_ACT = (Stage.SENSE, Stage.JUDGE, Stage.ATTRIBUTION, Stage.CHOOSE, Stage.GUARD, Stage.ACT, Stage.TELL)
_BLOCKED = (Stage.SENSE, Stage.JUDGE, Stage.ATTRIBUTION, Stage.CHOOSE, Stage.GUARD, Stage.TELL)
_PROOF = (Stage.SENSE, Stage.VERIFY, Stage.TELL)
_NEWS: Final = (Stage.TELL,)


class Kind(Vocabulary):
    """
    What a decision tells. ``meaning`` is one phrase for people, ``stages`` are the steps that led to it, in order.

    An action's own id is the kind of the decision to do it, whoever registered the action; a word that is not listed
    counts as such.
    """

    stages: tuple[Stage, ...]

    def __new__(cls, word: str, meaning: str = "", stages: tuple[Stage, ...] = ()) -> Self:
        member = str.__new__(cls, word)
        member._value_, member.meaning, member.stages = word, meaning, stages
        return member

    ALERT = "alert", "an alert that asked Observer to look was answered", _SUSPICION
    APPROVED = "approved", "a person approved one action", _NEWS
    BLIND = "blind", "sources are missing: nothing is judged", (Stage.SENSE, Stage.TELL)
    CLOSED = "closed", "the incident ended", _PROOF
    CONFIG_REJECTED = "config_rejected", "edited settings or policies are refused, the old ones stay in force", _NEWS
    CONFIG_RELOADED = "config_reloaded", "edited settings or policies are in force", _NEWS
    DEFERRED = "deferred", "the API server put an action off", (Stage.ACT, Stage.TELL)
    DRAIN = "drain", "a pod is taken out of traffic", _ACT
    DRAIN_EFFECTIVE = "drain_effective", "the traffic has left the drained pod", _PROOF
    DRAIN_VERDICT = "drain_verdict", "the drain experiment has an answer", _PROOF
    DRY_RUN = "dry_run", "the API server checked an action and kept nothing", (Stage.ACT, Stage.TELL)
    EVICT = "evict", "a pod is evicted", _ACT
    FROZEN = "frozen", "a workload is left alone after useless actions", (Stage.GUARD, Stage.TELL)
    BLOCKED = "blocked", "guards block the next action", _BLOCKED
    PAGE = "page", "a person is needed", _NEWS
    PAUSED = "paused", "a person paused all actions", _NEWS
    REGRADED = "regraded", "an earlier action counts as useless now", _PROOF
    REPLACED = "replaced", "a replacement serves", _PROOF
    RESTORE = "restore", "a drained pod is restored", _ACT
    RESUMED = "resumed", "an incident goes on after a restart, or a person lets Observer act again", _NEWS
    RECOVERED = "recovered", "sources are back: Observer judges again", (Stage.SENSE, Stage.TELL)
    SUGGESTED = "suggested", "what a person could do about a cause that no action on a pod reaches", _SUSPICION
    SUPPRESSED = "suppressed", "no action taken: a common cause", _SUSPICION
    SUSPECTED = "suspected", "evidence against a pod or a group", _SUSPICION
    UNDONE = "undone", "a person had a drained pod restored", _NEWS
    UNREACHED = "unreached", "callers cannot reach a pod", _SUSPICION
    VERIFIED = "verified", "the same figures before and after a replacement were compared", _PROOF
    WAITING = "waiting", "the next action needs more evidence", (Stage.SENSE, Stage.JUDGE, Stage.CHOOSE, Stage.TELL)
    WITHDRAWN = "withdrawn", "a person took an approval back", _NEWS

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        member = super()._missing_(value)
        if member is not None:
            member.stages = _ACT
        return member


def stages_of(kind: str, *, acts: bool) -> tuple[Stage, ...]:
    """The steps behind a decision of this kind; ``acts`` says whether it names an action that writes."""
    known = Kind(kind)
    return known.stages if known.listed or acts else _NEWS
