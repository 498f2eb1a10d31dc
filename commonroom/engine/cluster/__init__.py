"""Many nodes, one engine: who is alive, who owns which slot, how commands and pushes get there (DESIGN 5)."""
