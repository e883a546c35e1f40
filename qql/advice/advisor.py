"""All rules on one statement, and on a script whose statements make what later ones use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qql import nodes

# The modules of the rules put them into the table when they are imported.
from qql.advice import (
    contradictions,
    fields,
    filters,
    formula_fields,
    fusion_sources,
    limits,
    quantized_searches,
    scores,
    searches,
)
from qql.advice.collection_facts import CollectionFacts, facts_from_info, with_schema
from qql.advice.field_names import NamedField, named_fields
from qql.advice.rules import RULES
from qql.advice.script_facts import FactsOf, SchemaOf, ScriptFacts, body_of
from qql.advice.view import View, view_of
from qql.compiler.plan import Context
from qql.compiler.planner import plan_query
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLPlanError

__all__ = ["MODULES", "advise", "advise_all", "advise_script", "fields_named", "names_fields"]

MODULES = (
    limits,
    filters,
    contradictions,
    fields,
    scores,
    fusion_sources,
    formula_fields,
    searches,
    quantized_searches,
)
"""Where the rules are, in the order of the table."""


def advise(
    compiled: Compiled,
    context_schema: SchemaOf,
    facts: CollectionFacts | None = None,
) -> list[Diagnostic]:
    """What could be better about a statement, in the order of the text; nothing is raised or sent.

    ``context_schema`` gives what is known of a collection, None where nothing is; ``facts`` are those of the
    statement's own. A rule that needs what is not known says nothing. The severity of a diagnostic is
    ``"warning"`` where what was written cannot work as it reads, else ``"advice"``; its code is the rule's.
    What the compiler warns of (stages that are never used) is in ``compiled.warnings``, and not said again.
    """
    found: dict[Diagnostic, None] = {}
    for view in _views_of(compiled, context_schema, facts):
        for rule in RULES.values():
            if view.plan is None and not rule.any_statement:
                continue
            for span, message, hint, related in rule.check(view):
                one = Diagnostic(rule.code, message, span, hint, related, rule.severity, compiled.source)
                found[one] = None
    return sorted(found, key=lambda one: one.span.start if one.span else 0)


def names_fields(compiled: Compiled) -> bool:
    """Whether a statement names payload fields at all, so that advice on these may have something to say."""
    return any(True for _ in fields_named(compiled, lambda _: None))


def fields_named(compiled: Compiled, schema_of: SchemaOf) -> Iterator[NamedField]:
    """Every payload field that a statement names, in no particular order."""
    for view in _views_of(compiled, schema_of, None):
        yield from named_fields(view)


def _views_of(
    compiled: Compiled,
    context_schema: SchemaOf,
    facts: CollectionFacts | None,
) -> Iterator[View]:
    statement = nodes.subject(compiled.statement)
    collection = compiled.collection
    if collection is None:
        return
    if compiled.branches:
        for branch in compiled.branches:
            yield from _views_of(branch, context_schema, facts if branch.collection == collection else None)
        return
    schema = context_schema(collection)
    if isinstance(statement, nodes.CreateCollection):  # its facts are those that it makes
        yield view_of(statement, None, collection, None, facts_from_info(body_of(compiled)))
        return
    known = with_schema(facts, schema)
    if not isinstance(statement, nodes.Batch):
        yield view_of(statement, compiled.plan, collection, schema, known)
        return
    for member in statement.statements:
        if not isinstance(member, nodes.Query):
            yield view_of(member, None, collection, schema, known)
            continue
        try:
            plan = plan_query(member, Context(collection, schema=lambda _: schema))
        except QQLPlanError:  # it names stages or models of the session, which a batch does not carry along
            continue
        yield view_of(member, plan, collection, schema, known)


def advise_all(
    statements: Iterable[Compiled], schema_of: SchemaOf, facts_of: FactsOf = lambda _: None
) -> Iterator[tuple[Compiled, list[Diagnostic]]]:
    """The statements of a script with the advice on each, by what CREATE, ALTER and DROP among them change.

    Both functions give what is known of a collection before the script runs. What is advised on one query of
    two stages takes about 0.1 ms.
    """
    known = ScriptFacts(schema_of, facts_of)
    for compiled in statements:
        facts = known.facts(compiled.collection) if compiled.collection is not None else None
        yield compiled, advise(compiled, known.schema, facts)
        known.follow(compiled)


def advise_script(
    statements: Iterable[Compiled], schema_of: SchemaOf, facts_of: FactsOf = lambda _: None
) -> list[Diagnostic]:
    """The advice on all statements of a script, as `advise_all` finds it."""
    return [found for _, advice in advise_all(statements, schema_of, facts_of) for found in advice]
