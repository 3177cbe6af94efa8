"""Grafana dashboards as code: the same code gives the same bytes, and every query is known before it is asked."""
