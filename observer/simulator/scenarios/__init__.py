"""Worlds: a mesh, a cluster and their servers together."""
