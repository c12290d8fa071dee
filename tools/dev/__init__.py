"""`./dev`: what the verbs share, and the verbs."""
