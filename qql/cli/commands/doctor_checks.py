"""What `qql doctor` looks at: each check does what a user would do, and says what came of it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import qql
from qql.cli.commands.options import Arguments
from qql.cli.usage import UsageError
from qql.errors import QQLError, many
from qql.records import NamedTuple

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["FAULT", "LEVELS", "Finding", "findings", "versions"]

OK, NOTE, FAULT = LEVELS = ("ok", "note", "fault")
_MIB = 1 << 20
_LITTLE_ROOM, _NO_ROOM = 1024 * _MIB, 128 * _MIB
_FEW_FILES = 1024
_NARROW = 60  # columns
_REQUIRED = {
    "qdrant-edge-py": "the engine of databases in directories",
    "qdrant-client": "servers",
    "httpx": "servers and services of models",
    "orjson": "JSON",
    "prompt-toolkit": "the prompt",
    "rich": "tables",
}
_OPTIONAL = {
    "fastembed": ("models that run here", "pip install 'qql-lang[fastembed]'"),
    "pyarrow": ("COPY of Parquet and Arrow files, to_arrow()", "pip install 'qql-lang[arrow]'"),
    "pandas": ("to_pandas() of results", "pip install 'qql-lang[pandas]'"),
    "polars": ("to_polars() of results", "pip install 'qql-lang[polars]'"),
    "ipython": ("%%qql in notebooks", "pip install 'qql-lang[notebook]'"),
}
_VARIABLES = ("QQL_DB", "QDRANT_URL", "QQL_MODEL", "QQL_RERANK_MODEL", "QQL_HISTORY", "NO_COLOR", "COLUMNS")
_ADDRESSES = ("QDRANT_URL", "QQL_EMBEDDINGS_URL", "OPENAI_BASE_URL", "QQL_RERANK_URL")
_KEYS = ("QDRANT_API_KEY", "QQL_EMBEDDINGS_API_KEY", "OPENAI_API_KEY", "QQL_RERANK_API_KEY")


class Finding(NamedTuple):
    """What was found in an area. ``remedy`` can be typed or done; empty where nothing is to be done."""

    area: str
    level: str
    says: str
    remedy: str = ""


Check = Callable[[Arguments], Iterator[Finding]]


def findings(args: Arguments, secrets: Sequence[str] = ()) -> Iterator[Finding]:
    """Every finding; a check that breaks is a fault itself. ``secrets`` are never shown."""
    for area, check in _CHECKS.items():
        try:
            found = [*check(args)]
        except UsageError:
            raise
        except QQLError as exc:
            found = [_fault(area, exc)]
        except Exception as exc:
            said = f"{type(exc).__name__}: {exc}"
            found = [Finding(area, FAULT, said, "QQL_DEBUG=1 with a command that needs it shows where")]
        for one in found:
            yield one._replace(says=_without(secrets, one.says), remedy=_without(secrets, one.remedy))


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def versions() -> dict[str, str | None]:
    """The packages that QQL works with, each with its version; None where it is not installed."""
    from qql.session.stamp import installed

    return {name: installed(name) for name in (*_REQUIRED, *_OPTIONAL)}


# ---------------------------------------------------------------------------------------- what is here


def _machine(args: Arguments) -> Iterator[Finding]:
    from qql.session.stamp import machine

    here = machine()
    yield Finding("machine", OK, f"QQL {qql.__version__}, Python {here.python}, {here.describe()}")


def _packages(args: Arguments) -> Iterator[Finding]:
    found = versions()
    there = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    yield Finding("packages", OK, there or "none")
    for name, used_for in _REQUIRED.items():
        if found[name] is None:
            remedy = "pip install --force-reinstall qql-lang"
            yield Finding("packages", FAULT, f"{name} is not installed: {used_for}", remedy)
    for name, (used_for, remedy) in _OPTIONAL.items():
        if found[name] is None:
            yield Finding("packages", NOTE, f"{name} is not installed: {used_for}", remedy)


def _parser(args: Arguments) -> Iterator[Finding]:
    known = "lark" in sys.modules
    qql.compile("QUERY [0.1, 0.2] FROM docs WHERE year > 2020 LIMIT 3")
    if "lark" in sys.modules and not known:
        says = "its tables are made anew at each start, which takes a second: this is a checkout"
        yield Finding("parser", NOTE, says, "make wheel, and install what it leaves in dist/")
    else:
        yield Finding("parser", OK, "its tables are there")


# ----------------------------------------------------------------------------------------- what works


def _engine(args: Arguments) -> Iterator[Finding]:
    """A database in a directory that is thrown away: made, written, searched, closed, opened again."""
    with tempfile.TemporaryDirectory(prefix="qql-doctor-") as place:
        home = str(Path(place, "db"))
        with qql.connect(home) as db:
            db.run(
                "CREATE COLLECTION docs (a VECTOR MODEL 'local/hash-64', b SPARSE MODEL 'qdrant/bm25');"
                "UPSERT INTO docs VALUES {id: 1, text: 'urgent care'}, {id: 2, text: 'annual check-up'}"
            )
        with qql.connect(home) as db:
            found = db.execute("QUERY HYBRID 'urgent care' FROM docs LIMIT 1").hits
    if [hit.id for hit in found] != [1]:
        yield Finding("engine", FAULT, f"a search for the point 1 gives {[hit.id for hit in found]}")
    else:
        yield Finding("engine", OK, "qdrant-edge makes, writes, searches and opens again a database")
        yield Finding("models", OK, "local/hash-64 and qdrant/bm25 embed texts")


def _models(args: Arguments) -> Iterator[Finding]:
    """Which models of fastembed load without a download."""
    from qql.session.stamp import installed

    if installed("fastembed") is None:
        return
    from qql.models.onnx import kept_models

    folder, names = kept_models()
    hint = (
        f"the first use of a model downloads it; FASTEMBED_CACHE_PATH names another directory than {folder}"
    )
    if names:
        yield Finding("models", OK, f"without a download: {', '.join(names)} ({folder})")
    else:
        yield Finding("models", NOTE, "no model of fastembed is kept here", hint)


def _terminal(args: Arguments) -> Iterator[Finding]:
    encoding = (sys.stdout.encoding or "ascii").lower()
    columns = shutil.get_terminal_size().columns
    what = "a terminal" if sys.stdout.isatty() else "no terminal"
    yield Finding("terminal", OK, f"{what}, {columns} columns, {encoding}")
    if encoding not in ("utf-8", "utf8"):
        says = f"{encoding} lacks most characters: they are shown as escapes"
        yield Finding("terminal", NOTE, says, "PYTHONIOENCODING=utf-8, or a locale with UTF-8")
    if columns < _NARROW:
        yield Finding("terminal", NOTE, f"{columns} columns are few for tables", "--format vertical")


def _history(args: Arguments) -> Iterator[Finding]:
    from qql.cli.prompt.history import history_file

    file = history_file()
    if file is None:
        yield Finding("history", OK, "the prompt keeps none (QQL_HISTORY is empty)")
        return
    there = next((one for one in (file, *file.parents) if one.exists()), Path("/"))
    if os.access(there, os.W_OK):
        yield Finding("history", OK, f"the prompt keeps it in {file}")
    else:
        remedy = "QQL_HISTORY names another file; empty, it keeps none"
        yield Finding("history", NOTE, f"it cannot be kept: {there} is not writable", remedy)


def _disk(args: Arguments) -> Iterator[Finding]:
    from qql.backends.edge.space import free_space

    places = {"here": Path.cwd(), "for what is temporary": Path(tempfile.gettempdir())}
    if "db" in args:
        places["of --db"] = Path(args["db"]).absolute()
    for what, place in places.items():
        free = free_space(place)
        said = f"{free / 1024 / _MIB:.1f} GiB free {what} ({place})"
        if free < _LITTLE_ROOM:
            level = FAULT if free < _NO_ROOM else NOTE
            yield Finding("disk", level, said, "a database needs about four times the bytes of its points")
        else:
            yield Finding("disk", OK, said)


def _files(args: Arguments) -> Iterator[Finding]:
    """The limits of a process: each segment of a collection has open files."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "any number of" if soft == resource.RLIM_INFINITY else f"{soft:,}"
    if soft != resource.RLIM_INFINITY and soft < _FEW_FILES:
        remedy = f"ulimit -n {min(hard, 4 * _FEW_FILES) if hard > 0 else 4 * _FEW_FILES}"
        yield Finding("files", NOTE, f"a process may open {shown} files, few for large collections", remedy)
    else:
        yield Finding("files", OK, f"a process may open {shown} files")
    largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if largest != resource.RLIM_INFINITY and largest < _LITTLE_ROOM:
        says = f"a file may have {largest / _MIB:.0f} MiB at most"
        yield Finding("files", NOTE, says, "ulimit -f unlimited")


# -------------------------------------------------------------------------------------- configuration


def _environment(args: Arguments) -> Iterator[Finding]:
    from qql.rest.addresses import public_url

    said = [
        f"{name}={public_url(value) if name in _ADDRESSES else value}"
        for name in dict.fromkeys((*_VARIABLES, *_ADDRESSES))
        if (value := os.environ.get(name))
    ]
    said += [f"{name} is set" for name in _KEYS if os.environ.get(name)]
    yield Finding("environment", OK, ", ".join(said) or "no variable of QQL is set")
    if os.environ.get("QQL_DB") and os.environ.get("QDRANT_URL"):
        says = "QQL_DB and QDRANT_URL are both set: QQL_DB counts"
        yield Finding("environment", NOTE, says, "unset one of them, or name --db or --url")
    if os.environ.get("QQL_DEBUG") == "1":
        says = "QQL_DEBUG=1: internal errors show where they are"
        yield Finding("environment", NOTE, says, "unset QQL_DEBUG")


def _database(args: Arguments) -> Iterator[Finding]:
    """The database or the server that the command line, or the environment, names."""
    from qql.cli.commands.connection import MEMORY, open_session, target_of
    from qql.rest.addresses import public_url

    target = target_of(args)
    if target == MEMORY:
        return
    remote = "://" in target
    area = "server" if remote else "database"
    shown = public_url(target) if remote else target
    if not remote and not Path(target).exists():
        remedy = f"qql -c 'CREATE COLLECTION …' --db {target} makes it"
        yield Finding(area, NOTE, f"{shown} is not there yet", remedy)
        return
    try:
        session = open_session(args, target, None, advice=False)
    except QQLError as exc:
        yield _fault(area, exc)
        return
    try:
        yield from _contents(session, area, shown)
    except QQLError as exc:
        yield _fault(area, exc)
    finally:
        session.close()


def _contents(session: Session, area: str, shown: str) -> Iterator[Finding]:
    """What answers at an address, and its collections."""
    stamp = session.stamp()
    names = session.collections()
    by = f" by {stamp.client}" if stamp.client else ""
    yield Finding(area, OK, f"{shown}: {stamp.engine}{by}, {many(len(names), 'collection')}")
    if stamp.engine.endswith("(version unknown)"):
        yield Finding(area, NOTE, "the server does not tell its version", "--assume-version VERSION")
    for name in names:
        schema = session.schema(name)
        points = 0 if schema is None else schema.points or 0
        vectors = "" if schema is None else schema.describe_vectors()
        yield Finding(area, OK, f"{name}: {many(points, 'point')}; {vectors}")


def _fault(area: str, exc: QQLError) -> Finding:
    return Finding(area, FAULT, f"{exc.message} ({exc.code})", exc.diagnostics[0].hint or "")


_CHECKS: dict[str, Check] = {
    "machine": _machine,
    "packages": _packages,
    "parser": _parser,
    "engine": _engine,
    "models": _models,
    "terminal": _terminal,
    "history": _history,
    "disk": _disk,
    "files": _files,
    "environment": _environment,
    "database": _database,
}
"""By the area that a fault of the check itself is told of."""
