"""The command line: arguments, screens and the prompt."""

from __future__ import annotations

from qql.cli.main import main

__all__ = ["main"]
