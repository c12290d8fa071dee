"""The only room that talks to BPF: objects, maps, rings, attachments, features, records."""
