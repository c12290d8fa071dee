"""Many nodes as one: hosts in namespaces of their own, each with an agent, and a relay that reads them all."""
