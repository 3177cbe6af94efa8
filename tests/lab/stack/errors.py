"""How the lab says that it cannot."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and, where there is one, the remedy."""


class LabRefused(LabError):
    """This machine cannot or may not hold a lab; nothing was touched."""
