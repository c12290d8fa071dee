"""The protocols above layer 4, each in a file of its own or a few: bytes of one connection in, exchanges out."""
