"""Fixtures of the stories, and the third outcome: UNFIT, when the lab could not tell right from wrong."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab.harness import account
from tests.lab.harness.cluster import Cluster
from tests.lab.harness.fitness import Fitness
from tests.lab.harness.metrics import Metrics
from tests.lab.harness.outcomes import EXIT_UNFIT, Harm, LabUnfit
from tests.lab.harness.shop import Shop
from tests.lab.harness.story import Story
from tests.lab.harness.witness import Witness
from tests.lab.stack.lab import Lab
from tests.lab.stack.places import HUB, netns, places

_FITNESS = pytest.StashKey[Fitness]()
_UNFIT = pytest.StashKey[list[tuple[str, str]]]()


def _in_hub() -> bool:
    hub = Path(f"/run/netns/{netns(HUB)}")
    return hub.exists() and hub.stat().st_ino == Path("/proc/self/ns/net").stat().st_ino


# Outside the lab's network the stories are not even collected: `python -m tests.lab stories` enters it.
collect_ignore_glob = [] if _in_hub() else ["test_*.py"]


def pytest_configure() -> None:
    """SIGTERM ends a session in order: Observer is stopped and the shop left alone."""
    signal.signal(signal.SIGTERM, lambda number, frame: pytest.exit("terminated", returncode=128 + number))


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab(places())


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    return Cluster(lab.places)


@pytest.fixture(scope="session")
def mesh() -> Metrics:
    return Metrics()


@pytest.fixture(scope="session")
def shop(lab: Lab, cluster: Cluster, mesh: Metrics) -> Shop:
    return Shop(lab, cluster, mesh)


@pytest.fixture(scope="session")
def observer_kubeconfig(lab: Lab) -> Path:
    return account.set_up(lab)


@pytest.fixture(scope="session")
def witness(cluster: Cluster) -> Iterator[Witness]:
    watching = Witness(cluster)
    watching.start()
    yield watching
    watching.stop()


@pytest.fixture
def story(
    request: pytest.FixtureRequest,
    lab: Lab,
    cluster: Cluster,
    mesh: Metrics,
    shop: Shop,
    witness: Witness,
    observer_kubeconfig: Path,
    tmp_path: Path,
) -> Iterator[Story]:
    """A healthy shop before, no Observer after, and nothing touched that the story does not allow."""
    fitness = Fitness(cluster, mesh)
    shop.reset()
    fitness.begin()
    request.node.stash[_FITNESS] = fitness
    told = Story(lab, cluster, mesh, shop, witness, fitness, tmp_path, observer_kubeconfig, began=time.time())
    yield told
    for daemon in told.daemons:
        daemon.stop()
    told.check_harm()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A story that failed on an unfit lab has shown nothing, unless Observer did harm."""
    report = yield
    if not report.failed or call.excinfo is None or call.excinfo.errisinstance(Harm):
        return report
    if call.excinfo.errisinstance(LabUnfit):
        faults = [str(call.excinfo.value)]
    else:
        fitness = item.stash.get(_FITNESS, None)
        faults = fitness.faults() if fitness is not None else []
    if faults:
        item.config.stash.setdefault(_UNFIT, []).append((f"{item.nodeid}: {'; '.join(faults)}", report.longreprtext))
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"LAB UNFIT: {'; '.join(faults)}\n{report.longreprtext}")
        report.user_properties.append(("unfit", True))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return ("unfit", "U", "LAB UNFIT") if ("unfit", True) in report.user_properties else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    unfit = config.stash.get(_UNFIT, [])
    for line, failure in unfit:
        terminalreporter.section(f"on an unfit lab: {line}")
        terminalreporter.line(failure)
    for line, _ in unfit:
        terminalreporter.line(f"LAB UNFIT, NOTHING LEARNT: {line}", red=True, bold=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and session.config.stash.get(_UNFIT, []):
        session.exitstatus = EXIT_UNFIT
