"""A shop of real servers under load, on this machine's loopback, each in a scope of its own as systemd makes them.

customers ──HTTP───> front (nginx) ───┬──HTTP──> app (Python) ──SQL───> postgres
          ──HTTPS──> checkout (nginx) ┘                       ──RESP──> redis
          ──DNS────> dns (dnsmasq)                            ──gRPC──> prices (Python)
"""
