"""What the shop's people would not have anybody see. It is in the traffic, and in no line of Rubin's."""

MARK = "hushhush"
TOKEN = f"{MARK}-token"  # in a query string, and in a header
PASSWORD = f"{MARK}-password"  # in a body inside TLS, and of Redis
NAME = f"{MARK} Doe"  # a literal of SQL
NOTE = f"{MARK} note"  # a value in Redis
