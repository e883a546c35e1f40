"""`qql diff`: two pipelines, or one on two databases, side by side."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import qql
from qql.backends.base import Progress
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.measure_common import (
    Section,
    check_output,
    constants_of,
    located,
    opened_session,
    pipelines_of,
    questions_of,
    read_questions,
    said_once,
    show,
)
from qql.cli.commands.options import Given
from qql.cli.render import Renderer, sanitize
from qql.cli.repl import UsageError
from qql.errors import Diagnostic, QQLError
from qql.evaluation import Query
from qql.evaluation.comparison import Comparison, Survey, compare_results
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.rankings import DEFAULT_PERSISTENCE

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["diff", "short"]

_TOP = 10
"""The k of the overlap that is shown for each of many queries, where results are as long."""
_SECOND = {"url_b": "url", "db_b": "db"}
_OF_ONE_SERVER = ("url", "db", "api_key", "timeout", "grpc", "cloud_inference")


def diff(given: Given, console: Renderer) -> int:
    """The exit code is 0 where results differ, and 1 then with ``--exit-code``."""
    _check(given)
    check_output(given)
    queries = read_questions(given) if "queries" in given else None
    warnings: list[Diagnostic] = []
    with (
        opened_session(given, console) as (session, progress),
        _second_session(given, session) as other,
    ):
        a, b = _pipelines(given, session, other)
        if queries is None:
            found: Comparison | Survey = _once(given, a, b, warnings)
        else:
            found = _for_each(given, a, b, queries, progress, warnings)
    changes = _changes(a, b)
    show(
        given, console, _sections(found, changes, console), {"diff": changes, **found.to_dict()}, found.rows()
    )
    console.warn(said_once(warnings))
    return 1 if "exit_code" in given and not found.same else 0


# ------------------------------------------------------------------------------------ what is compared


def _check(given: Given) -> None:
    """Raises `UsageError` unless there are two things to compare."""
    files = given.get("files") or []
    if "url_b" in given and "db_b" in given:
        raise UsageError.make("usage", "--url-b and --db-b exclude each other")
    second = next((name for name in _SECOND if name in given), None)
    if second and "setup" in given:
        hint = "`qql run` prepares a database before"
        raise UsageError.make("usage", f"--setup and {given.flag(second)} exclude each other", hint=hint)
    if not (1 if second else 2) <= len(files) <= 2:
        wanted = "one pipeline or two" if second else "two pipelines"
        hint = "one pipeline on two databases: --db-b DIR or --url-b URL names the second"
        raise UsageError.make("usage", f"diff compares {wanted}, found {len(files) or 'none'}", hint=hint)
    if files.count("-") > 1:
        raise UsageError.make("usage", "standard input can be read only once")


@contextlib.contextmanager
def _second_session(given: Given, first: Session) -> Iterator[Session]:
    """The session of B: the first one, or one on what ``--url-b`` or ``--db-b`` names."""
    name = next((name for name in _SECOND if name in given), None)
    if name is None:
        yield first
        return
    # Neither the key nor the settings of the first server are the second's.
    kept = {key: value for key, value in given.items() if key not in _OF_ONE_SERVER}
    other = Given({**kept, _SECOND[name]: given[name]})
    if target_of(other) == target_of(given):
        raise UsageError.make("usage", f"{given.flag(name)} names the database that A runs on")
    with open_session(other, target_of(other), None, advice=False) as session:
        yield session


def _pipelines(given: Given, session: Session, other: Session) -> tuple[Pipeline, Pipeline]:
    files = dict(zip("ab", given["files"], strict=False))
    a, *more = pipelines_of(given, session, files).values()
    b = more[0] if more else a
    return a, Pipeline(other, b.text, b.name)


def _once(given: Given, a: Pipeline, b: Pipeline, warnings: list[Diagnostic]) -> Comparison:
    constants = constants_of(given)
    results = [one.ask(one.taken(constants) or None) for one in (a, b)]
    warnings += [warning for result in results for warning in result.warnings]
    return compare_results(*results, **_settings(given))


def _for_each(
    given: Given,
    a: Pipeline,
    b: Pipeline,
    queries: Sequence[Query],
    progress: Progress,
    warnings: list[Diagnostic],
) -> Survey:
    found = []
    plans = [questions_of(given, one, queries) for one in (a, b)]
    for done, questions in enumerate(zip(*plans, strict=True), 1):
        results = []
        for one, question in zip((a, b), questions, strict=True):
            try:
                results.append(one.ask(question.params or None))
            except QQLError as exc:
                raise located(exc, one.name, question, given) from exc.__cause__
        warnings += [warning for result in results for warning in result.warnings]
        found.append((questions[0].query, compare_results(*results, **_settings(given))))
        progress("comparing", done, len(queries))
    return Survey(tuple(found))


def _settings(given: Given) -> dict[str, Any]:
    return {"depth": given.get("depth"), "p": given.get("rbo_p", DEFAULT_PERSISTENCE)}


# ------------------------------------------------------------------------------------ what is shown


def _changes(a: Pipeline, b: Pipeline) -> list[str]:
    """The difference of the two texts in their canonical spelling, as ``diff -u`` shows it."""
    one, other = (qql.format(pipeline.text, name=pipeline.name).splitlines() for pipeline in (a, b))
    return list(difflib.unified_diff(one, other, a.name, b.name, lineterm=""))


def _sections(found: Comparison | Survey, changes: list[str], console: Renderer) -> list[Section]:
    text = "\n".join(map(sanitize, changes))
    sections = [Section("the texts", [], text=text)] if changes else []
    if isinstance(found, Comparison):
        rows = [{**row, "move": _arrow(row["move"], console)} for row in found.rows()]
        return [*sections, Section("the hits", _table(rows), _measured(found))]
    k = max((k for k in found.cutoffs if k <= _TOP), default=_TOP)
    shown = ("query", "text", "gone", "new", f"overlap@{k}", "rbo", "tau")
    most = [{name: row[name] for name in shown if name in row} for row in found.most_different()]
    sections.append(Section("over all queries", _table(found.means()), (found.verdict,)))
    return [*sections, Section("the queries that differ most", _table(most))] if most else sections


def _measured(found: Comparison) -> tuple[str, ...]:
    tau = "nothing to compare: fewer than two common hits, or all of them tie"
    if found.tau is not None:
        tau = f"{found.tau:.3f} over the {found.common} common hits"
    overlaps = ", ".join(f"@{k} {found.overlap(k):.3f}" for k in found.cutoffs)
    return (
        *([f"overlap {overlaps}"] if overlaps else []),
        f"Jaccard {found.jaccard:.3f}",
        f"rank-biased overlap {found.rbo:.3f} (p = {found.p:g})",
        f"Kendall's tau {tau}",
        found.verdict,
    )


def _table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as people read them; what is missing is blank."""
    heads = {name: _head(name) for name in rows[0]} if rows else {}
    columns = {head: _column(head, [short(row[name]) for row in rows]) for name, head in heads.items()}
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _column(head: str, values: list[Any]) -> list[Any]:
    if None not in values:
        return values
    texts = [head, *("" if value is None else str(value) for value in values)]
    return [text.rjust(max(map(len, texts))) for text in texts[1:]]


def _head(name: str) -> str:
    """The head of a column: ``rank A`` for ``rank_a``."""
    what, _, side = name.partition("_")
    return f"{what} {side.upper()}" if side in ("a", "b") else name


def short(value: Any) -> Any:
    """A score or a measure as people read it, with six digits; any other value as it is."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _arrow(move: str, console: Renderer) -> str:
    return move.replace("↑", "+").replace("↓", "-") if console.ascii_only else move
