"""Messages made by tools/build_proto.py from proto/; not edited by hand."""
