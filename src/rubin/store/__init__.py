"""Keep batches and give them back in time order."""
