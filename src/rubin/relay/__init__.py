"""Many Observers as one Observer."""
