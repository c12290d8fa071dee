"""The user interfaces beside an Observer: the web UI's server, and the terminal's."""
