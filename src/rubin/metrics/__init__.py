"""Counters and histograms over flows, one file a metric, and the page that Prometheus reads."""
