"""The commands of the prompt: a module for each subject, whose functions enter `COMMANDS` when it is loaded.

A new command is one more decorated function: its docstring is its help, its argument what is completed.
"""

from __future__ import annotations

from qql.cli.backslash import (
    comparing,
    connection,
    explaining,
    files,
    general,
    listing,
    parameters,
    results,
    saved,
    typed,
)
from qql.cli.backslash.table import COMMANDS, GROUPS, Command

__all__ = ["COMMANDS", "GROUPS", "SUBJECTS", "Command"]

SUBJECTS = (general, connection, listing, typed, saved, results, parameters, files, explaining, comparing)
"""The modules that have filled the table."""
