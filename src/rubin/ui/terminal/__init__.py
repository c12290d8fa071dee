"""The user interface in a terminal: the same flows, filters and explanations as everywhere else."""
