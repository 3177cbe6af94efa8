"""Prometheus and its kin (Thanos, Mimir, VictoriaMetrics): the counters the judges work on."""

from __future__ import annotations

from observer.sources.prometheus.source import PrometheusSource

__all__ = ["PrometheusSource"]
