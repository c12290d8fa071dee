"""The Observer service, server and client, and the export of flows to files."""
