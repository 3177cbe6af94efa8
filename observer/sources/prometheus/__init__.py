"""Prometheus and its kin (Thanos, Mimir, VictoriaMetrics): the counters the judges work on."""
