"""The lab's command line: ``python -m tests.lab build|up|down|status|run|stories|contract|bars|pin``."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.lab.stack.errors import LabError, LabRefused
from tests.lab.stack.lab import Lab
from tests.lab.stack.ownership import check_owned, owner
from tests.lab.stack.pin import pin
from tests.lab.stack.places import CHECKOUT, HUB, places
from tests.lab.stack.processes import inside
from tests.lab.stack.servers import BY_NAME, NEEDED

EXIT_FAILED, EXIT_REFUSED = 1, 2
_OUTSIDE = {
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file", "ssl_cert_dir"),
}


def main(words: list[str]) -> int:
    """Exit codes: 0 well, 1 failed, 2 refused (nothing was touched), 75 the lab was unfit to tell."""
    arguments = _parser().parse_args(words)
    lab = Lab(places())
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return int(arguments.command(lab, arguments) or 0)
    except LabRefused as exc:
        print(f"refused: {exc}", file=sys.stderr)
        return EXIT_REFUSED
    except LabError as exc:
        print(f"failed: {exc}", file=sys.stderr)
        return EXIT_FAILED


def _build(lab: Lab, arguments: argparse.Namespace) -> None:
    lab.build(tuple(BY_NAME) if arguments.all else NEEDED)


def _up(lab: Lab, arguments: argparse.Namespace) -> None:
    lab.up(traced=not arguments.without_jaeger)
    print("\n".join(lab.status()))


def _down(lab: Lab, _: argparse.Namespace) -> None:
    lab.down()
    print("the lab is down; nothing is left")


def _status(lab: Lab, _: argparse.Namespace) -> None:
    print("\n".join(lab.status()))


def _stories(lab: Lab, arguments: argparse.Namespace) -> int:
    """Replaces nothing and raises nothing: runs pytest in the hub of a lab that is up."""
    check_owned(lab.places)
    return _in_hub("-m", "pytest", *_pytest_words(arguments.words))


def _contract(lab: Lab, arguments: argparse.Namespace) -> int:
    """The contract suites with the lab's API server and its release of Prometheus as the real side."""
    check_owned(lab.places)
    os.environ["OBSERVER_LAB_KUBECONFIG"] = str(lab.places.admin)
    os.environ["PATH"] = f"{lab.binaries.path('prometheus').parent}{os.pathsep}{os.environ['PATH']}"
    return _in_hub(
        "-m", "pytest", "tests/contract", "-p", "no:cacheprovider", *(word for word in arguments.words if word != "--")
    )


def _bars(lab: Lab, arguments: argparse.Namespace) -> int:
    check_owned(lab.places)
    chosen = ("--runs", str(arguments.runs), "--quiet", str(arguments.quiet), "--kinds", arguments.kinds)
    return _in_hub("-m", "tests.lab.harness.bars", *chosen)


def _run(lab: Lab, arguments: argparse.Namespace) -> int:
    """Up, stories, down; down also when the stories fail or somebody interrupts."""
    refused = False
    try:
        lab.up(traced=not arguments.without_jaeger)
        return _in_hub("-m", "pytest", *_pytest_words(arguments.words))
    except LabRefused:
        refused = True  # nothing was touched, and a lab that is up may be somebody's
        raise
    finally:
        if not refused and owner() == str(lab.places.root):
            _down(lab, arguments)


def _pin(_: Lab, arguments: argparse.Namespace) -> None:
    pin(arguments.name, arguments.version)


def _pytest_words(given: list[str]) -> list[str]:
    """Stories in file order, one after another, with the whole lab to themselves."""
    words = [word for word in given if word != "--"]
    files = [] if any(Path(word.partition("::")[0]).exists() for word in words) else ["tests/lab"]
    return [
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "--timeout=1500",
        "-rA",
        "-v",
        "-s",
        "--override-ini=log_cli=false",
        *files,
        *words,
    ]


def _in_hub(*words: str) -> int:
    """Python in the namespace without a way out: the machine's proxies and authorities mean nothing there."""
    env = {name: value for name, value in os.environ.items() if name.lower() not in _OUTSIDE}
    env["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT), *filter(None, [env.get("PYTHONPATH")])])
    child = subprocess.Popen(inside(HUB, [sys.executable, *words]), env=env)
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def _interrupted(number: int, _: object) -> None:
    """SIGTERM as Ctrl-C: what was started is ended, and ``run`` takes the lab down."""
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab", description="A real Kubernetes and Istio on one machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text)
        added.set_defaults(command=command)
        return added

    add("build", _build, "build what is missing").add_argument("--all", action="store_true", help="Jaeger too")
    for name, command, text in (("up", _up, "raise the lab and leave it up"), ("run", _run, "up, stories, down")):
        added = add(name, command, text)
        added.add_argument(
            "--without-jaeger", action="store_true", help="build and start only what the first stories need"
        )
        if name == "run":
            added.add_argument("words", nargs="*", help="words for pytest after --, for example -- -k gray")
    add("down", _down, "end the lab; nothing stays behind")
    add("status", _status, "what runs, and how to reach it")
    add("contract", _contract, "run the contract suites against the lab's servers").add_argument(
        "words", nargs="*", help="words for pytest, after --"
    )
    add("stories", _stories, "run stories on a lab that is up").add_argument(
        "words", nargs="*", help="words for pytest, after --"
    )
    bars = add("bars", _bars, "measure how fast Observer acts")
    bars.add_argument("--runs", type=int, default=10)
    bars.add_argument("--quiet", type=float, default=300.0, help="quiet seconds before a run of the first kind")
    bars.add_argument("--kinds", default="quiet,restart", help="which of quiet,restart to run, in this order")
    pinned = add("pin", _pin, "pin a server at another version")
    pinned.add_argument("name", choices=sorted(BY_NAME))
    pinned.add_argument("version")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
