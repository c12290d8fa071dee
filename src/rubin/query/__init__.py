"""Questions asked of stored flows."""
