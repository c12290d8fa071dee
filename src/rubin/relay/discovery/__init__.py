"""How a relay finds its nodes: one file a source. `sources.sources_of` makes what the settings name."""
