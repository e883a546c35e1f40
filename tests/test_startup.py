"""What commands load when they start, by name: what is new fails here, with its name and its importer."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import folder_on_disk

import qql

HYBRID = (
    "WITH dense AS (QUERY 'emergency care' USING dense LIMIT 200)\n"
    "QUERY 'emergency care' FROM docs LIMIT 10 PREFETCH (dense WHERE priority = 'high' SCORE THRESHOLD 0.05,"
    " (QUERY 'emergency care' USING sparse LIMIT 300)) FUSION RRF WITH (rrf_k = 20, rrf_weights = [0.6, 0.4])"
)
NEAREST = "QUERY [0.1, 0.2] FROM docs USING dense WHERE year >= 2020 LIMIT 5"

HEAVY = frozenset(
    {
        *("argparse", "ast", "asyncio", "concurrent", "dataclasses", "decimal", "difflib", "email", "http"),
        *("importlib.metadata", "importlib.resources", "inspect", "locale", "logging", "multiprocessing"),
        *("numpy", "orjson", "pickle", "pydantic", "random", "shutil", "socket", "ssl", "statistics"),
        *("subprocess", "tarfile", "tempfile", "traceback", "urllib.request", "uuid", "zipfile"),
        *(
            "fastembed",
            "grpc",
            "httpcore",
            "httpx",
            "lark",
            "platformdirs",
            "prompt_toolkit",
            "qdrant_client",
        ),
        *("rich", "tenacity"),
    }
)
"""What no command loads before it needs it, be it through others: each takes long."""

OFFLINE = HEAVY | {"csv", "hashlib", "pathlib", "textwrap", "threading", "typing", "urllib.parse"}
"""The same where no database is opened, and a file of the user is all that is read."""

LANGUAGE = frozenset(
    {
        *("bisect", "collections", "collections.abc", "contextlib", "contextvars", "functools", "graphlib"),
        *(
            "itertools",
            "json",
            "marshal",
            "math",
            "operator",
            "os",
            "re",
            "reprlib",
            "stat",
            "sys",
        ),
        *("time", "codecs", "encodings", "signal", "gc", "__future__", "importlib"),
    }
)
"""What the language is made with: all that may be loaded to parse and compile."""


class Command(NamedTuple):
    """Arguments of the command; what its modules may import beside each other; its rooms of the house."""

    arguments: list[str]
    libraries: frozenset[str]
    rooms: frozenset[str]
    most: int
    """Modules of ours."""
    heavy: frozenset[str] = HEAVY


LOWER = frozenset(
    {
        "cli",
        "records",
        "versioned",
        "kept",
        "late",
        "visible",
        "errors",
        "kinds",
        "allowed",
        "packed_files",
        "rest",
        "nodes",
        "syntax",
        "compiler",
        "schema",
        "session",
    }
)
EXPLAINING = LOWER | {"advice", "analysis", "result"}
COMMANDS = {
    "--version": Command(["--version"], frozenset({"__future__", "sys"}), frozenset({"cli"}), 2),
    "check": Command(["check", "hybrid.qql"], LANGUAGE, LOWER, 94, OFFLINE),
    "explain": Command(["explain", "hybrid.qql"], LANGUAGE | {"struct"}, EXPLAINING, 130, OFFLINE),
    "run on edge": Command(
        ["run", "--db", "data", "-c", NEAREST, "--format", "jsonl"],
        LANGUAGE
        | {
            "abc",
            "ctypes",
            "errno",
            "numbers",
            "fcntl",
            "qdrant_edge",
            "pathlib",
            "shutil",
            "types",
            "weakref",
            "struct",
            "threading",
        },
        EXPLAINING | {"backends", "flows", "models"},
        206,
        HEAVY | {"csv", "hashlib", "typing"},
    ),
}


class Import(NamedTuple):
    name: str
    importer: str


def imports_of(trace: str) -> Iterator[Import]:
    """What a process has imported, by ``-X importtime``: an importer stands below, less indented."""
    found = [
        (len(match[1]), match[2])
        for match in re.finditer(r"^import time: +\d+ \| +\d+ \| ( *)(\S+)$", trace, re.M)
    ]
    for at, (depth, name) in enumerate(found):
        above = (importer for other, importer in found[at + 1 :] if other < depth)
        yield Import(name, next(above, "the program"))


def library_of(name: str) -> str:
    """The name by which a module is known here: of ``importlib`` and ``urllib`` the parts, else the whole."""
    first, *rest = name.split(".")
    return ".".join([first, *rest[:1]]) if first in ("collections", "importlib", "urllib") else first


def started(cwd: Path, program: str, *arguments: str) -> set[Import]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program, *arguments],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {*imports_of(done.stderr)}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder with a database and a script; and the parser's tables of a checkout are there."""
    with folder_on_disk() as folder:
        yield filled(folder)


def filled(folder: Path) -> Path:
    (folder / "hybrid.qql").write_text(HYBRID, encoding="utf-8")
    with qql.connect(str(folder / "data")) as db:
        db.run(
            "CREATE COLLECTION docs (dense VECTOR(2, COSINE));"
            "CREATE INDEX ON docs FOR year TYPE integer;"
            "UPSERT INTO docs VALUES {id: 1, vector: {dense: [0.1, 0.2]}, year: 2023}"
        )
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_what_it_needs(place: Path, name: str) -> None:
    command = COMMANDS[name]
    bare = {one.name for one in started(place, "pass")}
    program = "import sys; from qql.cli import main; sys.exit(main())"
    loaded = [one for one in started(place, program, *command.arguments) if one.name not in bare]

    heavy = {f"{one.name}, by {one.importer}" for one in loaded if library_of(one.name) in command.heavy}
    assert not heavy, "loaded, and not needed"

    direct = {one for one in loaded if one.importer.split(".")[0] in ("qql", "the program")}
    others = {one for one in direct if not one.name.startswith(("qql.", "_")) and one.name != "qql"}
    unknown = {
        f"{one.name}, by {one.importer}" for one in others if library_of(one.name) not in command.libraries
    }
    assert not unknown, (
        "imported when the command starts; if it has to be, it is added to the table of this test"
    )

    ours = {one for one in loaded if one.name.startswith("qql.")}
    strange = {
        f"{one.name}, by {one.importer}" for one in ours if one.name.split(".")[1] not in command.rooms
    }
    assert not strange, "rooms of the house that the command does not go into"
    assert len({one.name for one in ours}) <= command.most


def test_the_prompt_is_shown_before_the_language_and_the_engine_are_loaded(place: Path) -> None:
    program = (
        "from qql.cli import repl; repl.interact = lambda shell: 0\n"
        "from qql.cli.process import Renderer, sys; from qql.cli.commands import PROMPT\n"
        "from qql.cli.commands.options import Arguments\n"
        "PROMPT(Arguments(), Renderer(sys.stdout, err=sys.stderr))"
    )
    loaded = {one.name for one in started(place, program)}
    assert "qql.cli.shell" in loaded
    later = (
        "qql.compiler",
        "qql.nodes",
        "qql.syntax.parser",
        "qql.session.session",
        "qql.backends",
        "qdrant_edge",
    )
    early = {name for name in loaded if name.startswith(later)}
    assert not early


def test_the_importer_of_a_module_is_named() -> None:
    trace = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:        10 |         10 |     zlib\n"
        "import time:        10 |         20 |   shutil\n"
        "import time:        10 |         10 |   re\n"
        "import time:        10 |         40 | qql.cli\n"
    )
    found = {one.name: one.importer for one in imports_of(trace)}
    assert found == {"zlib": "shutil", "shutil": "qql.cli", "re": "qql.cli", "qql.cli": "the program"}
