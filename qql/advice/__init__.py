"""Advice: what could be better about a statement that is not wrong.

A rule (`RULES`) has a code, a reason and a fix. It reads the plan, the schema and the facts of the
collection, and says nothing where it does not know enough.
"""

from qql.advice.collection_facts import CollectionFacts, facts_from_info, facts_of
from qql.advice.lint import Linted, advised, lint_script, lint_text, unsilenced
from qql.advice.output import to_json, to_sarif
from qql.advice.rules import RULES, Rule
from qql.advice.run import advise, advise_script

__all__ = [
    "RULES",
    "CollectionFacts",
    "Linted",
    "Rule",
    "advise",
    "advise_script",
    "advised",
    "facts_from_info",
    "facts_of",
    "lint_script",
    "lint_text",
    "to_json",
    "to_sarif",
    "unsilenced",
]
