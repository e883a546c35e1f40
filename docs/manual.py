"""Writes docs/reference.md and docs/capabilities.md: `python docs/manual.py`.

The words are those of `qql.manual`, the rest is derived from grammar and tables, and what an example
gives is what the embedded engine gives while this runs.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import qql
from qql import nodes
from qql.backends.base import Backend
from qql.backends.capabilities import FEATURES, YES, Feature
from qql.backends.edge import EdgeBackend
from qql.backends.features.constructs import CONSTRUCTS, KINDS, OLDEST, ROUTES
from qql.backends.features.serverless import AS_GRPC, serverless
from qql.backends.features.versions import parse_version
from qql.cli.render import Renderer
from qql.compiler.options.table import Table
from qql.errors import QQLError, Source
from qql.manual.entries import ENTRIES
from qql.manual.entry import GROUPS, Entry, option_lines, syntax
from qql.manual.examples import FILES, PARAMS, SETUP
from qql.syntax.parser import parse_script

REFERENCE, CAPABILITIES = "reference.md", "capabilities.md"
_WIDTH = 100
_HEAD = """\
# QQL reference

An entry for each statement, target, clause, filter, function and option. `qql help WORD` prints the same,
and so does `\\h WORD` in the prompt. This page is generated (`python docs/manual.py`): syntax from the
grammar, options from the tables of the compiler, and below each example stands what it gives on the
embedded engine.

In a syntax, `[x]` may be left out, `{a | b}` is one of several, `[, …]` is more of the same. A parameter
may stand for any value. Keywords are written in any case, none is reserved, and clauses come in any order.

[capabilities.md](capabilities.md) says which engine can do what.
"""
_EXAMPLES_NOTE = (
    "Each example finds what these statements make, and nothing that another example has changed.\n"
)


# -------------------------------------------------------------------------------------------------- examples


def params_of(text: str) -> dict[str, object] | None:
    """The parameters that an example uses."""
    used = {param.key for one in parse_script(Source(text))[0] for param in one.params}
    return {name: value for name, value in PARAMS.items() if name in used} or None


def requests_of(text: str) -> list[qql.Request]:
    """What an example is compiled to, behind the statements of the setup. Raises `QQLError`."""
    before = "".join(SETUP.values())
    return qql.compile(before + text, params_of(text))[len(qql.compile(before)) :]


class Examples:
    """Runs examples one after another on one engine, and repairs what they change."""

    def __init__(self, engine: Backend) -> None:
        self._engine = engine
        self._broken = set(SETUP)

    def run(self, entry: Entry) -> str:
        """What the statements of an entry give, as text; that of a refusal for one that takes a server."""
        try:
            shown = self.attempt(entry)
        except QQLError as error:
            if not entry.refused:
                raise
            return refusal(error)
        if entry.refused:
            raise AssertionError(f"the example of {entry.name} is not refused")
        return shown

    def attempt(self, entry: Entry) -> str:
        """What the statements of an entry give, as text. Raises `QQLError` where they are refused."""
        session = qql.connect(self._engine, advice=False, count=True)
        for name in self._broken:
            session.run(f"DROP COLLECTION IF EXISTS {name}; {SETUP[name]}")
        self._broken = {name for name in SETUP if _changes(entry.example) and name in entry.example}
        out = io.StringIO()
        renderer = Renderer(out, width=_WIDTH, timing=False)
        try:
            for result in session.run(entry.example, params_of(entry.example)):
                renderer.show(result)
        finally:
            for row in session.execute("SHOW COLLECTIONS").rows:
                if row["collection"] not in SETUP:
                    session.execute(f"DROP COLLECTION {row['collection']}")
        return out.getvalue()

    def close(self) -> None:
        self._engine.close()


_READS = (nodes.Query, nodes.Count, nodes.Facet, nodes.Scroll, nodes.Explain)


def _changes(text: str) -> bool:
    return not all(isinstance(one.statement, _READS) for one in parse_script(Source(text))[0])


def refusal(error: QQLError) -> str:
    """An error as the pages show it."""
    hint = f"\n  = help: {error.hint}" if error.hint else ""
    return f"error[{error.code}]: {error.diagnostic.message}{hint}\n"


@contextlib.contextmanager
def examples(engine: Backend | None = None) -> Iterator[Examples]:
    """An engine for examples (None: an embedded one), in a directory that holds the files they read."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        os.chdir(folder)
        runs = Examples(engine or EdgeBackend(None))
        try:
            yield runs
        finally:
            runs.close()
            os.chdir(before)


# ------------------------------------------------------------------------------------------------- reference


def reference(run: Callable[[Entry], str]) -> str:
    """The reference as one page; ``run`` gives what an example gives."""
    parts = [_HEAD, _contents(), "## The data of the examples\n", _EXAMPLES_NOTE]
    parts.append(_block("sql", "\n".join(SETUP.values())))
    parts += [f"`{name}` holds `{text.strip()}`.\n" for name, text in FILES.items()]
    given = json.dumps(PARAMS)
    parts.append(f"The values of parameters: `{given}`.\n")
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [section(entry, run(entry)) for entry in ENTRIES if entry.group == group]
    return "\n".join(parts)


def anchor(name: str) -> str:
    """The anchor that a heading has on GitHub and its like."""
    return re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-")


def _link(name: str) -> str:
    return f"[{name}](#{anchor(name)})"


def _contents() -> str:
    lines = []
    for group, title in GROUPS.items():
        names = ", ".join(_link(entry.name) for entry in ENTRIES if entry.group == group)
        lines.append(f"* {_link(title)}: {names}")
    return "\n".join([*lines, ""])


def section(entry: Entry, shown: str) -> str:
    """An entry with what its example gives."""
    parts = [f"### {entry.name}\n", f"{entry.text}\n"]
    if form := syntax(entry):
        parts.append(_block("text", form))
    parts += [_option_table(title, table) for title, table in entry.tables]
    parts.append(_block("sql", entry.example))
    if entry.refused:
        parts += ["The embedded engine refuses it by name:\n", _block("text", shown), *_server_request(entry)]
    elif entry.varies:
        parts.append("What it gives differs from run to run.\n")
    else:
        parts.append(_block("text", shown))
    if entry.also:
        parts += ["Written otherwise:\n", _block("sql", "\n".join(f"{text};" for text in entry.also))]
    if entry.see:
        parts.append(f"See also: {', '.join(map(_link, entry.see))}\n")
    return "\n".join(parts)


def _server_request(entry: Entry) -> list[str]:
    """The request that a server gets, where there is one."""
    try:
        request = requests_of(entry.example)[-1]
    except QQLError:
        return []
    body = f"\n{json.dumps(request.body, ensure_ascii=False)}" if request.body is not None else ""
    query = f"?{urlencode(request.query)}" if request.query else ""
    return ["A server gets:\n", _block("text", f"{request.method} {request.path}{query}{body}")]


def _option_table(title: str, table: Table) -> str:
    rows = [f"| `{line.name}` | {line.takes} | {line.default} |" for line in option_lines(table)]
    return "\n".join([f"| {title} | takes | default |", "|---|---|---|", *rows, ""])


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


# ---------------------------------------------------------------------------------------------- capabilities

_ABOUT = """\
# What runs where

For each feature: the first version of a Qdrant server that has it, over REST and over gRPC; the embedded
engine; qdrant-client's local mode (`QdrantClient(":memory:")`); and Qdrant's serverless offer, as it has been
announced. A reason says why a statement is refused; a note says that it is carried out, and what has no
effect. Servers before 1.10 have no query API, so nothing is older.

A server that is too old for a statement is never sent it: `SLICE needs Qdrant 1.19; this server is 1.18.3`.
The last table says what it would do. Generated from `qql/backends/features` (`python docs/manual.py`); tests
hold it to the engines.
"""
_YOUNGER = """\
## What came after Qdrant {oldest}

The server's version is asked for once, by the first request with one of these; and anew before a write that
would change too much where one is not heeded. `--assume-version` and `connect(assume_version=…)` give the
version of a server that does not tell it. An older server *refuses* the request; *ignores* the option and
reports success; *drops* the condition, so that the rest of the filter decides alone; or what it does
*differs*.

| | REST since | gRPC since | older, REST | older, gRPC | the version by | what older ones do by |
|---|---|---|---|---|---|---|
"""


def capabilities() -> str:
    """The table of what engines can do, by kind, and that of what came later."""
    parts = [_ABOUT]
    for kind in dict.fromkeys(feature.id.partition(".")[0] for feature in FEATURES):
        parts.append(f"## {kind.replace('-', ' ').capitalize()}\n")
        parts.append(
            "| | REST | gRPC | embedded engine | local mode | serverless |\n|---|---|---|---|---|---|"
        )
        parts += [_row(*_cells(one)) for one in FEATURES if one.id.partition(".")[0] == kind]
        parts.append("")
    return "\n".join(parts) + "\n" + _younger()


def _cells(feature: Feature) -> tuple[str, ...]:
    grpc = "no: REST alone has it" if feature.only_rest else feature.server
    said = serverless(feature)
    elsewhere = said if said == AS_GRPC else f"no: {said}"
    engines = _support(feature.edge), _support(feature.local)
    return (f"`{feature.title}`", feature.server, grpc, *engines, elsewhere)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _younger() -> str:
    """The table of constructs that a server may lack; options of one name and version stand together."""
    routes = [one for found in ROUTES.values() for one in found]
    lines: dict[tuple[str, ...], list[str]] = {}
    for one in sorted([*CONSTRUCTS, *routes], key=lambda one: (parse_version(one.since), one.words)):
        kind = KINDS[one.kind]
        cells = (
            f"`{one.words}`",
            one.since,
            one.since_grpc or "–",
            kind.rest,
            kind.grpc,
            one.known,
            one.effect_known,
        )
        lines.setdefault(cells, []).extend(one.parents)
    rows = []
    for (words, *rest), parents in lines.items():
        where = f" in `{'`, `'.join(dict.fromkeys(parents))}`" if words == "`memory`" else ""
        rows.append(_row(words + where, *rest))
    return _YOUNGER.format(oldest=OLDEST) + "\n".join(rows) + "\n"


def _support(state: str) -> str:
    if state == YES:
        return YES
    return f"yes; note: {state.removeprefix('noted: ')}" if state.startswith("noted: ") else f"no: {state}"


def write_manual(directory: Path) -> None:
    """Write both pages into a directory."""
    with examples() as runs:
        page = reference(runs.run)
    (directory / REFERENCE).write_text(page, encoding="utf-8")
    (directory / CAPABILITIES).write_text(capabilities(), encoding="utf-8")


if __name__ == "__main__":
    write_manual(Path(__file__).parent)
