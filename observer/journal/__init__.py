"""Memory that outlives the process: incidents, intents, the budget ledger and every decision, in one SQL schema."""
