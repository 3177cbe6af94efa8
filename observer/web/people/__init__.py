"""
Who a person is, on the page and on the API: sign-in, sessions, roles, and what protects them from other sites.

Handlers ask ``person_of(request)``; forms carry ``csrf_token(request)`` in the hidden field ``csrf``.
"""

from __future__ import annotations

from observer.domain.person import Person, Role
from observer.web.people.door import csrf_token, person_of, require

__all__ = ["Person", "Role", "csrf_token", "person_of", "require"]
