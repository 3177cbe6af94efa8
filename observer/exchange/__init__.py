"""Formats of other tools, written and read: Prometheus rules, Alertmanager's inhibition."""
