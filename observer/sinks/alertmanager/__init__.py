"""Alertmanager as one who is told: pages as alerts, and short silences of a replaced pod's own alerts."""
