"""The wire protocol: pure types, codecs and tables. No I/O, no clock, no randomness."""
