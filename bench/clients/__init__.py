"""Clients, and two servers, whose exchanges anybody can work out afterwards: one file a protocol.

Each has `truth`, what an agent should tell of an exchange by the client's number (`seed`) and its own, and `ask`, which
makes them.
"""
