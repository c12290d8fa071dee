"""What `explain` is made of: which flow is meant, what its connection came to, what else the ring knows of its like."""
