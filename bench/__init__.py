"""What Rubin costs and carries, measured; `./dev bench`."""
