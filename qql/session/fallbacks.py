"""QUERY … ELSE QUERY … carried out: the queries one after another, until one of them brings enough."""

from __future__ import annotations

from qql import nodes
from qql.compiler.fallbacks import weaknesses_of
from qql.compiler.script import Compiled
from qql.errors import Diagnostic
from qql.records import NamedTuple, replace
from qql.rest.request import Request
from qql.result import Result, amended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.rest.types import JsonObject
    from qql.session.session import Session

__all__ = ["Answered", "analysed", "answered", "fallen_back"]


class Answered(NamedTuple):
    """Which query answered, from 1, with its result; what was sent; and of each before it, why it did not."""

    branch: int
    result: Result
    sent: tuple[Request, ...]
    passed: tuple[str, ...]

    def words(self, all: int) -> str:
        """``query 2 of 3 answered: query 1 brought no hits``."""
        why = "; ".join(f"query {at} brought {one}" for at, one in enumerate(self.passed, 1))
        return f"query {self.branch} of {all} answered" + (f": {why}" if why else "")


def answered(session: Session, compiled: Compiled) -> Answered:
    """Asks the queries of a statement until one is not too weak; the last answers whatever it brings."""
    statement = nodes.subject(compiled.statement)
    assert isinstance(statement, nodes.Fallback)
    weak = weaknesses_of(statement)
    sent: list[Request] = []
    passed: list[str] = []
    notes: list[Diagnostic] = []
    for one in compiled.branches:
        branch = session._ready(one)
        result = session._read(branch)
        notes += branch.warnings
        sent += branch.requests
        if len(passed) == len(weak):
            break
        first = result.first()
        why = weak[len(passed)].found_in(len(result), None if first is None else first.score)
        if why is None:
            break
        passed.append(why)
    result = replace(result, warnings=(*notes, *result.warnings))
    return Answered(len(passed) + 1, result, tuple(sent), tuple(passed))


def fallen_back(session: Session, compiled: Compiled) -> Result:
    """The result of the query that answered, with its number; a note says why those before it did not."""
    found = answered(session, compiled)
    notes = found.result.warnings
    if found.passed:
        said = found.words(len(compiled.branches))
        notes += (Diagnostic("fallback", said, severity="warning"),)
    return amended(found.result, branch=found.branch, requests=found.sent, warnings=notes)


def analysed(session: Session, statement: nodes.Explain, compiled: Compiled) -> Result:
    """EXPLAIN ANALYZE: the queries are asked to see which one answers, and what that does is shown."""
    from qql.analysis.text import wrapped
    from qql.session.introspection import Introspection, told

    found = answered(session, compiled)
    branch = session._ready(compiled.branches[found.branch - 1])
    query = branch.statement
    assert isinstance(query, nodes.Query)
    asked = session._embedded(branch.requests[0])
    one = replace(branch, advice=compiled.advice)
    seen = Introspection(
        one, asked, session._within_limits, session.rerankers, session.context, session.on_progress
    )
    inner = replace(statement, statement=query, format=None)
    result = seen.explain_analyze(inner, session.stamp(compiled))
    data: JsonObject = dict(result.data)
    data["statement"] = compiled.text
    data["branch"] = {"answered": found.branch, "of": len(compiled.branches), "passed": list(found.passed)}
    lines = [*wrapped([found.words(len(compiled.branches))], 80), "", *result.message.split("\n")]
    return told(lines, data, statement)
