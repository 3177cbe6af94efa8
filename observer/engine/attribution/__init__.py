"""What an incident comes from: edges, traces, series and peers weighed into one posterior. Pure."""
