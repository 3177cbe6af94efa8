"""Grafana: annotations of what was done, and dashboards by either of its APIs."""
