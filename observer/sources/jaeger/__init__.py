"""Jaeger: traces of those that are suspected, over the v3 API or, where that is not served, over v1."""

from __future__ import annotations

from observer.sources.jaeger.source import JaegerSource

__all__ = ["JaegerSource"]
