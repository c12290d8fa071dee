"""What a flow is, as columns, and how to ask for some."""
