"""A Prometheus that scrapes the simulated mesh: storage, queries, HTTP API."""
