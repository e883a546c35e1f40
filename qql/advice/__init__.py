"""Advice: what could be better about a statement that is not wrong.

A rule (`RULES`) has a code, a reason and a fix. It reads the plan, the schema and the facts of the
collection, and says nothing where it does not know enough.
"""

from __future__ import annotations

from qql.late import late_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.advice.advisor import advise, advise_script, names_fields
    from qql.advice.collection_facts import CollectionFacts, facts_from_info, facts_of
    from qql.advice.fields import FIELD_RULES
    from qql.advice.formats import to_json, to_sarif
    from qql.advice.ignore_comments import unsilenced
    from qql.advice.lint import Linted, advised, lint_script, lint_text
    from qql.advice.of_values import ValueKinds
    from qql.advice.rules import RULES, Rule

__all__ = [
    "FIELD_RULES",
    "RULES",
    "CollectionFacts",
    "Linted",
    "Rule",
    "ValueKinds",
    "advise",
    "advise_script",
    "advised",
    "facts_from_info",
    "facts_of",
    "lint_script",
    "lint_text",
    "names_fields",
    "to_json",
    "to_sarif",
    "unsilenced",
]

_late = late_names(
    __name__,
    {
        "advise": "advisor",
        "advise_script": "advisor",
        "names_fields": "advisor",
        "CollectionFacts": "collection_facts",
        "facts_from_info": "collection_facts",
        "facts_of": "collection_facts",
        "FIELD_RULES": "fields",
        "to_json": "formats",
        "to_sarif": "formats",
        "unsilenced": "ignore_comments",
        "Linted": "lint",
        "advised": "lint",
        "lint_script": "lint",
        "lint_text": "lint",
        "ValueKinds": "of_values",
        "RULES": "advisor",
        "Rule": "rules",
    },
)

if not TYPE_CHECKING:  # a type checker knows the names above, and says so of any other
    __getattr__ = _late
