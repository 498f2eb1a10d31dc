"""Routes by area. Each module has a `TABLE` of (method, path, handler)."""
