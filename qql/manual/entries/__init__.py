"""The entries of the manual: a sentence or two, an example and other spellings of each part of the language.

What can be derived is not written here: synopses come from the grammar (`qql.manual.synopsis`), options and
functions from the tables of the compiler, further lists from `qql.manual.lists`. A test carries out every
example, and holds entries, grammar and tables to each other both ways.
"""

from __future__ import annotations

from qql.manual.entries.clauses import CLAUSES
from qql.manual.entries.filters import FILTERS
from qql.manual.entries.formulas import FORMULAS
from qql.manual.entries.options import OPTIONS
from qql.manual.entries.statements import STATEMENTS
from qql.manual.entries.targets import TARGETS
from qql.manual.entries.values import LIMITS, VALUES
from qql.manual.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES: tuple[Entry, ...] = (
    *STATEMENTS,
    *TARGETS,
    *CLAUSES,
    *FILTERS,
    *FORMULAS,
    *OPTIONS,
    *VALUES,
    *LIMITS,
)
"""All entries, in the order of `qql.manual.entry.GROUPS`."""
