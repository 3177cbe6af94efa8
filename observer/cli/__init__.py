"""The command line: one file a command. Nothing heavy is imported at their top, so that ``--help`` starts fast."""
