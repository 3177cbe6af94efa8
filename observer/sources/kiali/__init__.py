"""Kiali: the call graph and the health of workloads, over its versions and ways to log in."""
