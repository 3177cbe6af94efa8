"""Who a person is and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """VIEWER reads; APPROVER gives a word for one act or takes it back, undoes and pauses; ADMIN resumes too."""

    VIEWER = "viewer"
    APPROVER = "approver"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Identity:
    """A name and its groups as the cluster's authorizer knows them; ``extra`` is passed on to it untouched."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """
    Who asks, now.

    ``by`` says how it was proven: ``TokenReview``, ``oidc``, ``local token``, or ``nobody asked`` for a reader on the
    loopback interface.
    """

    name: str
    by: str
    roles: frozenset[Role] = frozenset()

    def may(self, role: Role) -> bool:
        return role in self.roles


NOBODY = Person("", "")
"""Has proven nothing and may do nothing."""
EVERYTHING = frozenset(Role)


def with_implied(roles: frozenset[Role]) -> frozenset[Role]:
    """An admin may approve, and whoever may do anything may look."""
    if Role.ADMIN in roles:
        return EVERYTHING
    return roles | {Role.VIEWER} if roles else roles
