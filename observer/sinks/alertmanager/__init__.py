"""Alertmanager as one who is told: pages as alerts, and short silences of a replaced pod's own alerts."""

from observer.sinks.alertmanager.api import Alertmanagers, Silenced, pod_alerts, silence_pod
from observer.sinks.alertmanager.sink import AlertmanagerSink, Policy

__all__ = ["AlertmanagerSink", "Alertmanagers", "Policy", "Silenced", "pod_alerts", "silence_pod"]
