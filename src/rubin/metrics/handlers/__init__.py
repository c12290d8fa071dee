"""One file a metric. Each has one verb, `observe(batch)`, and `series`, what it counts into."""
