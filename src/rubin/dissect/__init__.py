"""Packet and payload bytes to columns."""
