"""Configuration: flag > environment > TOML > default, into frozen structs."""
