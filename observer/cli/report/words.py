"""The summary's sentences; every form of it says the same."""

from __future__ import annotations

from collections.abc import Sequence

from observer.cli.moments import span
from observer.domain.summary import Blindness, BlockedAction, BudgetUse, HealthSummary, Impact, Intervention
from observer.engine.messages.wording import percent


def title(found: HealthSummary) -> str:
    """What it is and of which time."""
    return f"Observer health summary of {span(found.until - found.since)}"


def modes(found: HealthSummary) -> str:
    """In which mode things were decided."""
    return ", ".join(found.modes) or "no decision"


def headline(found: HealthSummary) -> str:
    """The whole in one sentence, the most urgent first."""
    parts = []
    if found.action_required:
        count = len(found.action_required)
        parts.append(f"{counted(count, 'thing')} {'waits' if count == 1 else 'wait'} for you")
    parts.append(_incidents(found.impacts))
    parts += _outcomes(found.interventions)
    if found.troubles:
        parts.append(f"{counted(len(found.troubles), 'service')} in trouble with nobody to remove")
    if lost := sum(one.seconds for one in found.blindness):
        parts.append(f"blind for {span(lost)}")
    if not found.decisions and not found.impacts:
        parts = ["nothing was recorded: no proof that all was well"]
    if overdrawn := sum(one.overdrawn for one in found.budgets):
        parts.append(f"{counted(overdrawn, 'budget')} overdrawn")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def harm(one: Impact, until: float) -> str:
    """How badly, for how long, and how it ended."""
    lasted = span((one.closed or until) - one.opened)
    what = {"errors": "failed", "latency": "was slow for", "unreached": "was not reached for"}.get(one.symptom, "hurt")
    rates = f"{what} {percent(one.bad_rate)} of {one.requests:.0f} requests, its siblings {percent(one.peer_bad_rate)}"
    ended = one.outcome.replace("_", " ")
    return f"{rates}; {'open for' if one.closed is None else 'over after'} {lasted}: {ended}"


def budget(one: BudgetUse) -> str:
    """What went and what is left."""
    events = f"{one.bad:.0f} of {one.total:.0f} events bad"
    if one.spent is None or one.remaining is None or one.target is None:
        return f"{events}; target not known"
    left = f"overdrawn by {percent(-one.remaining)}" if one.overdrawn else f"{percent(one.remaining)} left"
    return f"spent {percent(one.spent)} of its budget, {left} ({events}, target {100 * one.target:g} %)"


def quiet_budgets(found: Sequence[BudgetUse]) -> tuple[list[BudgetUse], int]:
    """Those that lost something or are overdrawn, and how many others there are."""
    loud = [one for one in found if one.bad > 0 or (one.remaining is not None and one.remaining <= 0)]
    return loud, len(found) - len(loud)


def deed(one: Intervention) -> str:
    """What was done and whether it helped."""
    steps = ", ".join(one.steps)
    if one.would:
        return f"would have been {steps}; {one.result}"
    helped = {True: "it helped", False: "it did not help", None: "whether it helped is not known"}[one.helped]
    if one.helped is None and one.result in {"cleared", "ended by itself"}:
        helped = "nobody was removed"
    return f"{steps}; {helped} ({one.result})"


def restraint(one: BlockedAction) -> str:
    """How often a brake held, and an example."""
    still = ", and holds still" if one.standing else ""
    return f"in {counted(one.incidents, 'incident')}{still}; for example {one.subject}: {one.detail}"


def blindness(one: Blindness) -> str:
    """How long it saw nothing."""
    times = "once" if one.times == 1 else f"{one.times} times"
    return f"{span(one.seconds)}, {times}{', and now' if one.lasting else ''}"


def counted(number: int, word: str) -> str:
    """``1 incident``, ``3 incidents``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def command(kind: str, subject: str) -> str:
    """What to type to learn more about something; empty where there is no such command."""
    if kind == "repair":
        return "observer doctor" if subject == "observer" else ""
    word, _, name = subject.partition(" ")
    return f"observer why {word}/{name}" if name and word in _EXPLAINED else ""


_EXPLAINED = frozenset({"pod", "revision", "node", "zone", "workload"})


def _incidents(impacts: Sequence[Impact]) -> str:
    still = sum(1 for one in impacts if one.closed is None)
    if not impacts:
        return "no incident"
    return f"{counted(len(impacts), 'incident')}, {still} still open" if still else counted(len(impacts), "incident")


def _outcomes(interventions: Sequence[Intervention]) -> list[str]:
    done = [one for one in interventions if not one.would]
    tried = [one for one in interventions if one.would]
    parts = []
    for helped, words in ((True, "helped"), (False, "did not help"), (None, "without a removal or a verdict")):
        if number := sum(1 for one in done if one.helped is helped):
            parts.append(f"{number} {words}")
    found = [f"{counted(len(done), 'intervention')}: {', '.join(parts)}"] if done else []
    return [*found, *([f"{counted(len(tried), 'intervention')} only told, nothing written"] if tried else [])]
