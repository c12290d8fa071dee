"""A small world of its own, the agent that observes it, and the Prometheus that asks the agent."""
