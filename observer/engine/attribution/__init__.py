"""Who is to blame: edges, traces, series and siblings weighed into one posterior. Pure."""
