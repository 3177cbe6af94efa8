"""Who hears of every decision: one sink a file, none knows another."""
