"""Formats of other tools and of people, read and written: objectives, Prometheus rules, telemetry from files."""
