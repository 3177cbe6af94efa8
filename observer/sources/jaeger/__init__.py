"""Jaeger: traces of those that are suspected, over the v3 API or, where that is not served, over v1."""
