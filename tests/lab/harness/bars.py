"""
How fast: 50 % errors on one pod of four, from the fault to the label, the eviction and the verification.

Printed beside the bars of the design and never asserted; run by ``python -m tests.lab bars`` inside the hub.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from tests.lab.harness import account
from tests.lab.harness.cluster import Cluster
from tests.lab.harness.fitness import Fitness
from tests.lab.harness.metrics import Metrics
from tests.lab.harness.outcomes import EXIT_UNFIT, LabUnfit
from tests.lab.harness.shop import Shop
from tests.lab.harness.story import Story
from tests.lab.harness.witness import Witness
from tests.lab.stack.lab import Lab
from tests.lab.stack.places import places

BARS: Final = {"label written": (12.0, 20.0), "evicted": (None, 45.0), "verified fixed": (None, 90.0)}
"""Seconds from the fault: median (None = no bar) and worst."""
KINDS: Final = ("quiet", "restart")
_MILESTONES: Final = frozenset(
    {"suspected", "drain", "drain_effective", "drain_verdict", "restore", "evict", "replaced", "verified"}
)


@dataclass(frozen=True, slots=True)
class Run:
    """
    Seconds from the fault to each step; ``trail`` are Observer's own decisions with their seconds and nats, ``unfit``
    says why the run tells nothing.
    """

    steps: dict[str, float]
    trail: str = ""
    wrong: str = ""
    unfit: str = ""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bars")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--quiet", type=float, default=300.0)
    parser.add_argument("--kinds", type=chosen_kinds, default=KINDS)
    arguments = parser.parse_args(words)
    lab = Lab(places())
    cluster, metrics = Cluster(lab.places), Metrics()
    witness = Witness(cluster)
    witness.start()
    kubeconfig = account.set_up(lab)
    wrong = unfit = 0
    titles = {"quiet": f"after {arguments.quiet:.0f} quiet seconds", "restart": "right after a restart"}
    for kind in arguments.kinds:
        title, quiet = titles[kind], arguments.quiet if kind == "quiet" else 0.0
        runs = []
        for number in range(1, arguments.runs + 1):
            with tempfile.TemporaryDirectory(prefix="bars-") as folder:
                shop, fitness = Shop(lab, cluster, metrics), Fitness(cluster, metrics)
                story = Story(lab, cluster, metrics, shop, witness, fitness, Path(folder), kubeconfig)
                runs.append(_run(story, quiet))
            print(f"{title}, run {number}: {_line(runs[-1])}", flush=True)
        _summary(title, runs)
        wrong += sum(bool(run.wrong) for run in runs)
        unfit += sum(bool(run.unfit) for run in runs)
    witness.stop()
    return 1 if wrong else EXIT_UNFIT if unfit else 0


def chosen_kinds(text: str) -> tuple[str, ...]:
    """The kinds in a list with commas, in the order given; raises for others."""
    kinds = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(map(repr, unknown))}; known: {', '.join(KINDS)}")
    return kinds


def _run(story: Story, quiet: float) -> Run:
    """One fault with a fresh journal: what was done in an earlier run must not hold this one."""
    try:
        story.shop.reset()
    except LabUnfit as exc:
        return Run({}, unfit=str(exc))
    story.began = time.time()
    story.fitness.begin()
    steps: dict[str, float] = {}
    wrong = trail = ""
    fault = 0.0
    try:
        daemon = story.observe()
        if quiet:
            time.sleep(max(0.0, story.began + quiet - time.time()))
        else:
            daemon.stop()
            daemon.start()
        pod = story.shop.pods("catalog")[1]
        fault = story.gray(pod, err=0.5)
        steps["label written"] = story.drained(pod, since=fault)
        steps["evicted"] = story.evicted(pod).at - fault
        steps["verified fixed"] = story.verified(pod)["at"] - fault
    except AssertionError as exc:
        wrong = str(exc).splitlines()[0]
    finally:
        trail = _trail(story, fault)
        for one in story.daemons:
            one.stop()
    faults = story.fitness.faults()
    return Run(steps, trail, wrong="" if faults else wrong, unfit="; ".join(faults) if wrong else "")


def _trail(story: Story, fault: float) -> str:
    """Where the seconds went: the decisions that move an incident, with seconds since the fault and nats."""
    try:
        decided = story.daemon.decisions(fault) if fault and story.daemons else []
    except requests.RequestException as exc:
        return f"no decisions to be had: {type(exc).__name__}"
    moves = [one for one in decided if one["kind"] in _MILESTONES]
    return "; ".join(
        f"{one['at'] - fault:.1f} {one['kind']} {one['reason']} ({one['figures'].get('evidence_score', '?')})"
        for one in moves
    )


def _line(run: Run) -> str:
    if run.unfit:
        return f"LAB UNFIT: {run.unfit}"
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.steps.items())
    return f"{told} WRONG: {run.wrong}\n    {run.trail}" if run.wrong else f"{told}\n    {run.trail}"


def _summary(title: str, runs: list[Run]) -> None:
    print(f"\n{title}: {sum(not run.wrong and not run.unfit for run in runs)} of {len(runs)} right")
    for name, (median_bar, worst_bar) in BARS.items():
        found = [run.steps[name] for run in runs if name in run.steps]
        if found:
            median = f"median {statistics.median(found):6.1f} s" + (f" (bar {median_bar:.0f})" if median_bar else "")
            print(f"  fault -> {name:<15} {median:<28} worst {max(found):6.1f} s (bar {worst_bar:.0f})")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
