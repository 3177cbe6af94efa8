"""How Observer tells about itself: structured logs, its own metrics, one trace an incident."""
