"""Text to nodes, and nodes to text."""

from __future__ import annotations

from qql.syntax.parser import parse, parse_script, split

__all__ = ["parse", "parse_script", "split"]
