"""What is answered when it is asked: one file a question of the API."""
