"""Who is sick: sequential tests on counts of requests, each with a stated rate of false alarms."""
