"""Rows derived from the journal, by slot and checkpoint (DESIGN 4)."""
