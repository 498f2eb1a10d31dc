"""Data directories of supervisors."""
