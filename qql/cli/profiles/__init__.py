"""Profiles: connections with names, in `config.toml`, and where the keys of them come from."""
