"""One lab at a time on a machine: namespaces, addresses and ports are the machine's, not the folder's."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.stack.errors import LabRefused
from tests.lab.stack.network import existing
from tests.lab.stack.places import LOCK, OWNER, Places, netns


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Only one process raises or ends a lab at any moment."""
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabRefused("another lab is being raised or ended on this machine right now") from None
        yield


def owner() -> str:
    """The folder of the lab that is up; empty when none is."""
    return OWNER.read_text().strip() if OWNER.exists() else ""


def check_free() -> None:
    """Raises ``LabRefused`` that names the lab which is up."""
    if up := owner():
        raise LabRefused(f"a lab is up already: {up}\nend it first: OBSERVER_LAB={up} python -m tests.lab down")
    if strangers := sorted(existing()):
        raise LabRefused(
            f"network namespaces of this lab's names exist: {', '.join(netns(place) for place in strangers)}"
        )


def claim(places: Places) -> None:
    OWNER.write_text(f"{places.root}\n")


def check_owned(places: Places) -> None:
    """Raises ``LabRefused`` unless the lab that is up is this one."""
    up = owner()
    if not up:
        raise LabRefused("no lab is up: python -m tests.lab up")
    if up != str(places.root):
        raise LabRefused(f"the lab that is up is not this one ({places.root}) but {up}")


def release() -> None:
    OWNER.unlink(missing_ok=True)
