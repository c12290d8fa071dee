"""What is shown live: the map, the flows, their number over time."""
