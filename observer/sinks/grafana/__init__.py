"""Grafana: annotations of what was done, and dashboards by either of its APIs."""

from observer.sinks.grafana.annotations import GrafanaAnnotations
from observer.sinks.grafana.client import GrafanaClient, GrafanaRefused
from observer.sinks.grafana.publish import Published, Publisher

__all__ = ["GrafanaAnnotations", "GrafanaClient", "GrafanaRefused", "Published", "Publisher"]
