"""Columns to bytes and back: Hubble's messages and JSON, and our own column frames."""
