"""
``python -m tests.bench.attribution``: who is blamed, in simulated episodes, on others' data and on the laboratory's,
beside
what was published.

Needs the corpus (``--corpus DIR`` or ``OBSERVER_CORPUS``) for PetShop and Nezha; without it they are NOT RUN, loudly.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from observer.domain.attribution import Attribution
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.removal import permits_removal
from tests.bench.attribution import lab, nezha, petshop, tally, wide
from tests.bench.attribution.scores import Score, row, score
from tests.support.scenarios import FAMILIES

EPISODES = 306
"""Eighteen of each family."""
SEED = 930_617
"""Used nowhere while blame was developed."""
Ranked = list[tuple[str, float]]
"""Services with their probability."""


def services(found: Attribution, *, forced: bool) -> Ranked:
    """
    Services by the sum of their causes' probabilities, an edge counted to its callee. ``forced``: also when UNKNOWN is
    more probable, for protocols in which nobody is no answer.
    """
    sums: dict[str, float] = defaultdict(float)
    for one in found.ranked if forced else found.culprits:
        if one.cause.suspected_service is not None:
            sums[one.cause.suspected_service.name] += one.probability
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


def petshop_scores(corpus: Path) -> list[Score]:
    """Top-1, top-3 and specificity by scenario and measure, and of all together. Nothing of it was held out."""
    hits: dict[tuple[str, str], list[Ranked]] = defaultdict(list)
    truths: dict[tuple[str, str], list[str]] = defaultdict(list)
    for issue in petshop.issues(corpus):
        hits[(issue.scenario, issue.metric)].append(services(attribute(issue.inputs), forced=False))
        truths[(issue.scenario, issue.metric)].append(issue.truth)
    quiet: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for issue in petshop.quiet(corpus):
        quiet[(issue.scenario, issue.metric)].append(not attribute(issue.inputs).culprits)
    found: list[Score] = []
    for key in sorted(hits):
        first, third, none = petshop.PUBLISHED[key]
        told = list(zip(truths[key], hits[key], strict=True))
        found.append(score(f"petshop {key[0]} {key[1]} top-1", _within(told, 1), f"traversal {first:.3f}"))
        found.append(score(f"petshop {key[0]} {key[1]} top-3", _within(told, 3), f"traversal {third:.3f}"))
        found.append(score(f"petshop {key[0]} {key[1]} specificity", quiet[key], f"traversal {none:.3f}"))
    for label, scenarios in (("all", petshop.SCENARIOS),):
        told = [one for key in sorted(hits) if key[0] in scenarios for one in zip(truths[key], hits[key], strict=True)]
        calm = [one for key in sorted(quiet) if key[0] in scenarios for one in quiet[key]]
        found.append(score(f"petshop {label} top-1", _within(told, 1), "bar 0.750, traversal 0.654 of 52"))
        found.append(score(f"petshop {label} top-3", _within(told, 3), "bar 0.900, traversal 0.827 of 52"))
        found.append(score(f"petshop {label} specificity", calm, "bar 0.900"))
    return found


def _within(told: Sequence[tuple[str, Ranked]], k: int) -> list[bool]:
    """The truth among the first ``k``; of equals it comes last."""
    return [
        any(name == truth for name, _ in ranked)
        and sum(name != truth and sure >= dict(ranked)[truth] - 1e-12 for name, sure in ranked) < k
        for truth, ranked in told
    ]


def nezha_scores(corpus: Path) -> list[Score]:
    """
    AS@k over all faults of the day, those without any trace in the archive included.

    Held out: faults of resources and networks. Only those in code were looked at while the engine was built.
    """
    day = nezha.load(corpus)
    told, answered, held = [], [], []
    for fault in day.faults:
        found = attribute(nezha.question(day, fault))
        told.append((fault.service, services(found, forced=True)))
        answered.append((fault.service, services(found, forced=False)))
        if fault.kind not in nezha.CODE:
            held.append(told[-1])
    first, third = nezha.PUBLISHED["Nezha without logs"]
    published = ", ".join(f"{name} {one:.3f}/{three:.3f}" for name, (one, three) in nezha.PUBLISHED.items())
    return [
        score("nezha online boutique AS@1", _within(told, 1), f"bar 0.720, {published} (both days)"),
        score("nezha online boutique AS@3", _within(told, 3), f"bar 0.900, Nezha without logs {third:.3f}"),
        score("nezha held out (not in code) AS@1", _within(held, 1), f"Nezha without logs {first:.3f}"),
        score("nezha held out (not in code) AS@3", _within(held, 3), f"Nezha without logs {third:.3f}"),
        score("nezha AS@1, 'nobody' allowed and counted as a miss", _within(answered, 1)),
        score("nezha named somebody else", [bool(names) and names[0][0] != truth for truth, names in answered]),
    ]


def lab_scores() -> list[Score]:
    """The right cause, of the right kind, and nobody but it may be killed."""
    right: dict[str, list[bool]] = defaultdict(list)
    wrong: list[bool] = []
    for case in lab.cases():
        found = attribute(case.inputs)
        right[case.variant].append(str(found.ranked[0].cause) == case.truth)
        if not right[case.variant][-1]:
            print(f"  lab {case.name} {case.variant} at {case.after:g} s: {found.ranked[0].cause}, truth {case.truth}")
        wrong += [
            permits_removal(found, one.cause.pod).allowed and str(one.cause) != case.truth
            for one in found.ranked
            if one.cause.pod is not None
        ]
    return [
        *(score(f"lab {variant}", hits) for variant, hits in right.items()),
        score("lab kills permitted of pods that are not the culprit", wrong),
    ]


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.attribution", description=__doc__)
    parser.add_argument("--corpus", type=Path, help="folder with petshop/ and nezha/; default: $OBSERVER_CORPUS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--only", choices=("petshop", "nezha", "lab", "size", "episodes"), help="one part alone")
    parser.add_argument("--episodes", type=int, default=EPISODES, help=f"so many episodes (default {EPISODES})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the episodes (default {SEED})")
    parser.add_argument(
        "--family", choices=tuple(FAMILIES), action="append", default=[], help="of episodes; repeatable"
    )
    parser.add_argument("--jobs", type=int, default=0, help="processes for the episodes (default: one a core)")
    wanted = parser.parse_args()
    named = wanted.corpus or (Path(os.environ["OBSERVER_CORPUS"]) if os.environ.get("OBSERVER_CORPUS") else None)
    found: list[Score] = []
    of_corpus: dict[str, Callable[[Path], list[Score]]] = {"petshop": petshop_scores, "nezha": nezha_scores}
    for part, scores in of_corpus.items():
        if wanted.only not in {None, part}:
            continue
        if named is None or not (named / part).is_dir():
            print(f"NOT RUN: {part}: no corpus; give --corpus or OBSERVER_CORPUS", file=sys.stderr)
            continue
        found += _told(scores(named))
    figures: dict[str, object] = {}
    if wanted.only in {None, "lab"}:
        found += _told(lab_scores())
    if wanted.only in {None, "episodes"}:
        played = tally.measure(wanted.episodes, wanted.seed, only=wanted.family, jobs=wanted.jobs)
        found += _told(tally.scores(played))
        print(tally.delay_row(tally.delay(played)), flush=True)
        figures |= {"seed": wanted.seed} | tally.as_json(played)
    if wanted.only in {None, "size"}:
        figures["size"] = size()
    figures["scores"] = [asdict(one) | {"rate": one.rate} for one in found]
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(figures, indent=1) + "\n")


def _told(found: list[Score]) -> list[Score]:
    print(*map(row, found), sep="\n", flush=True)
    return found


def size() -> dict[str, float]:
    """A graph of 500 services and 1 000 traces of either time."""
    inputs, truth = wide.incident(services=500, traces=1000)
    begun = time.process_time()
    found = attribute(inputs)
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    spans = len(inputs.traces.spans) if inputs.traces is not None else 0
    right = str(found.ranked[0].cause) == truth
    print(f"size 500 services, 1 000 traces ({spans} spans) and as many of before: {seconds:.2f} s CPU (bar 2)", end="")
    print(f", peak of this process {peak:.0f} MB (bar 300, alone with --only size), right: {right}", flush=True)
    return {"seconds": seconds, "megabytes": peak, "spans": float(spans), "right": float(right)}


if __name__ == "__main__":
    main()
