"""The shell that moves: collect, decide, execute, tell; it holds the only clocks, tasks and retries of the house."""
