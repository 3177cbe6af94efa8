"""From a suspicion to its end: incidents, escalation, drain experiment, restore, outcomes, verification."""
