"""Routes by area. Each module has a `TABLE` of `Route`s."""
