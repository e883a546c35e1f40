"""The magics ``%qql`` and ``%%qql`` of IPython and Jupyter."""

from __future__ import annotations

import atexit
import shlex
from collections.abc import Mapping

from qql.cli.render import render_error
from qql.errors import Diagnostic, QQLError, QQLPlanError, Source, fail
from qql.notebook.colours import colour, uncolour
from qql.notebook.connections import Connections
from qql.records import NamedTuple
from qql.result import Result
from qql.session.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HELP", "load", "unload"]

Names = Mapping[str, object]
"""The variables of a notebook."""
HELP = """QQL in a notebook.

%qql connect TARGET          connect: a directory, :memory:, http://host:6333, or a variable (a Session
                             of qql.connect, a QdrantClient, a path, an address)
%qql STATEMENT               carry out one statement that fits on the line
%qql                         what is connected
%qql close [TARGET]          close a connection

%%qql [--db TARGET] [--as NAME] [--quiet]
STATEMENTS                   carry out all of the cell; nothing is sent where anything in it is wrong

--db TARGET   connect to TARGET, or go back to it, for this cell and those after it; without any, :memory:
--as NAME     the last result becomes the variable NAME
--quiet       results are not shown

A :name in a statement takes the value of the notebook's variable of this name. A value never becomes
syntax. The last result is the value of the cell, those before it are shown in turn. A result has hits,
rows, groups, first(), scalar(), to_pandas(), to_polars(), to_arrow().
"""


def load(shell: Any) -> None:
    """Give an InteractiveShell the magics."""
    unload(shell)
    connections = Connections()
    magic = _magic(shell, connections)
    magic.needs_local_scope = True
    magic._ipython_magic_no_var_expand = True  # `{…}` and `$` of a statement belong to QQL
    shell.register_magic_function(magic, magic_kind="line_cell", magic_name="qql")
    colour(shell)
    _LOADED[id(shell)] = connections
    atexit.register(connections.close)


_LOADED: dict[int, Connections] = {}
"""The connections of each shell."""


def unload(shell: Any) -> None:
    """Take the magics away, and close what they opened."""
    connections = _LOADED.pop(id(shell), None)
    if connections is not None:
        connections.close()
        atexit.unregister(connections.close)
        uncolour(shell)
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("qql", None)


def _magic(shell: Any, connections: Connections) -> Any:
    def qql(line: str, cell: str | None = None, local_ns: Names | None = None) -> Result | None:
        names = {**shell.user_ns, **(local_ns or {})}
        try:
            if cell is None:
                return _line(line.strip(), connections, names)
            return _cell(line, cell, connections, names, shell)
        except QQLError as exc:
            text = render_error(exc, color=_has_colors(shell), width=100)
            exc.__dict__["_render_traceback_"] = lambda: [text]  # in place of a traceback through our code
            raise

    qql.__doc__ = HELP
    return qql


def _has_colors(shell: Any) -> bool:
    return str(getattr(shell, "colors", "nocolor")).lower() != "nocolor"


# ------------------------------------------------------------------------------------ %qql


def _line(line: str, connections: Connections, names: Names) -> Result | None:
    word, _, rest = line.partition(" ")
    match word.lower():
        case "":
            print(connections.told())
        case "connect":
            print(connections.use(_one_word(rest, "connect"), names))
        case "close":
            print(connections.end(_one_word(rest, "close") if rest.strip() else None, names))
        case _:
            session = connections.current()
            return session.execute(line, _values(session, line, names), name="%qql")
    return None


def _one_word(text: str, command: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if len(words) != 1:
        fail(
            "invalid-magic",
            f"%qql {command} takes one target, not {shlex.quote(text.strip()) or 'none'}",
            hint=f"%qql {command} my_directory; one with spaces in its name is quoted",
        )
    return words[0]


# ------------------------------------------------------------------------------------ %%qql


class _Options(NamedTuple):
    """What stands behind ``%%qql``."""

    db: str | None
    name: str | None
    quiet: bool


def _cell(line: str, cell: str, connections: Connections, names: Names, shell: Any) -> Result | None:
    from IPython import display

    show: Any = display.display  # it has no types
    options = _options(line)
    if options.db is not None:
        connections.use(options.db, names)
    session = connections.current()
    last: Result | None = None
    for result in session.stream(cell, _values(session, cell, names), name="%%qql"):
        if last is not None and not options.quiet:
            show(last)
        last = result
    if options.name is not None:
        shell.user_ns[options.name] = last
    return None if options.quiet else last


def _options(line: str) -> _Options:
    """Reads the options of a cell. Raises IPython's UsageError, and `QQLPlanError`."""
    from IPython.core import magic_arguments

    try:
        words = shlex.split(line)
    except ValueError as exc:
        fail("invalid-magic", f"the options of %%qql: {exc}", hint="%%qql --db 'my directory'")
    library: Any = magic_arguments  # it has no types
    parser = library.MagicArgumentParser("%%qql", add_help=False)
    parser.add_argument("--db")
    parser.add_argument("--as", dest="name")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("others", nargs="*")
    found = parser.parse_args(words)
    if found.others:
        fail("invalid-magic", f"%%qql does not know {found.others[0]!r}", hint="statements stand below it")
    if found.name is not None and not found.name.isidentifier():
        fail("invalid-magic", f"{found.name!r} is no name of a variable", hint="%%qql --as found")
    return _Options(found.db, found.name, found.quiet)


def _values(session: Session, text: str, names: Names) -> dict[str, object]:
    """The value of each parameter, from the notebook. Raises `QQLError` where the text does not parse."""
    parameters = session.prepare(text, name="%%qql").parameters
    values = {str(one.name): names[str(one.name)] for one in parameters if one.name in names}
    missing = [one for one in parameters if one.name not in values]
    if not missing:
        return values
    first = missing[0]
    if isinstance(first.name, str):
        listed = ", ".join(f"`{one.name}`" for one in missing)
        message = f"the notebook has no variable {listed}"
        hint = f"`{first.name} = …` gives :{first.name} its value, {first.takes}"
    else:
        message, hint = "`?` has no value here", "write :name, which takes the value of the variable `name`"
    source = Source(text, "%%qql")
    raise QQLPlanError(Diagnostic("no-variable", message, first.span, hint, source=source))
