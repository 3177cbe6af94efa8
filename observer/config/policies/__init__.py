"""Health policies: ``kind: HealthPolicy`` documents, how they inherit, and what holds for one workload."""
