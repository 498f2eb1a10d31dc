"""The bench harness: load over real sockets, with every delivery checked.

`command.py` reads the options, `run.py` does one run, `suite.py` several, `compare/` the same work on
other servers (`peers/`, left out of the wheel). The controller starts workers (`worker.py`), which do a
scenario's (`scenario/`) share with the lean clients of `load/`; `target/` is the server under load,
`report/` what is shown. Knows only the protocol. docs/BENCHMARKS.md says what is measured and how.
"""
