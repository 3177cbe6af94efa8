"""The guards: one pure function each. All are asked, all answers are kept; one that blocks is enough to stay put."""
