"""One source of truth: TypeScript, documentation and test vectors out of the wire types.

`python -m commonroom.protocol.codegen` writes them, `--check` says which have drifted.
"""
