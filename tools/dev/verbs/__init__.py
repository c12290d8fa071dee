"""One file a verb; its first line is what `./dev` says of it."""
