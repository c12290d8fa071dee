"""Flows in words: hosts, verdicts, summaries, facts; numbers with their units; times."""
