"""What Observer writes to the cluster, and the switches that stop it from writing."""
