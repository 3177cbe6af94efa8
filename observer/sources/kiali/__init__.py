"""Kiali: the call graph and the health of workloads, over its versions and ways to log in."""

from __future__ import annotations

from observer.sources.kiali.source import KialiSource

__all__ = ["KialiSource"]
