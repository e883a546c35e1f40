"""Runs that are kept: `record` asks each stage once, deep down, and `recompute` answers from that."""
