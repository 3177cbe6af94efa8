"""The mesh: services, pods, requests, sidecars, spans and what can go wrong with them."""
