"""What works where packages are absent that QQL can do without, and what is said where it needs one.

Each program runs in a process of its own that cannot import them. ``make alone`` runs the same programs by
the interpreter of an environment that really lacks them (QQL_ALONE names it).
"""

from __future__ import annotations

import ast
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import example, given
from hypothesis import strategies as st

from qql.backends import short_floats
from qql.cli.render import boxes, plain_cells

ABSENT = (
    *("qdrant_client", "grpc", "httpx", "httpcore", "pydantic", "numpy", "google", "urllib3", "portalocker"),
    *("rich", "pygments", "markdown_it", "prompt_toolkit", "wcwidth", "tenacity", "platformdirs"),
)
"""qdrant-client, rich and prompt-toolkit with what they bring, and what only they have a use for."""
REFUSE = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
"""
ALONE = os.environ.get("QQL_ALONE")


def carried_out(program: str, folder: Path, *, stdin: str = "") -> str:
    """What a program prints."""
    command = [ALONE or sys.executable, "-c", program if ALONE else REFUSE + program]
    environment = {**os.environ, "PYTHONUTF8": "1", "COLUMNS": "80"}
    environment |= {} if ALONE else {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, input=stdin, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_compiler_needs_none_of_them(tmp_path: Path) -> None:
    program = """
import qql
text = "query 'red shoes' from docs using dense where year >= :y limit 3"
[request] = qql.compile(text, {"y": 2020}, models={"dense": "local/hash-8"})
print(request.path, request.curl().count("curl"))
print(qql.format(text).strip())
print([one.code for one in qql.lint("QUERY [0.1] FROM docs LIMIT 10 OFFSET 20000")] != [])
print(len(qql.parse("COUNT FROM docs; SHOW ALIASES")), len(qql.check("COUNT FROM")))
print("/collections/docs/points/count" in qql.explain("COUNT FROM docs"))
print(qql.from_request(request).split()[0])
print(qql.prepare("COUNT FROM docs WHERE a = ?").requests(1)[0].body)
[write] = qql.compile("INSERT INTO docs VALUES {vector: [0.1, 0.2], a: 1}")
print(len(write.body["points"]))
"""
    assert carried_out(program, tmp_path).splitlines() == [
        "/collections/docs/points/query 1",
        "QUERY 'red shoes' FROM docs USING dense WHERE year >= :y LIMIT 3;",
        "True",
        "2 1",
        "True",
        "QUERY",
        "{'filter': {'must': [{'key': 'a', 'match': {'value': 1}}]}}",
        "1",
    ]


def test_the_embedded_engine_needs_none_of_them(tmp_path: Path) -> None:
    program = """
import asyncio, json, qql, qql.dbapi
with qql.connect("db") as db:
    db.run('''CREATE COLLECTION docs (dense VECTOR(2, DOT), words SPARSE MODEL 'qdrant/bm25');
        UPSERT INTO docs VALUES {id: 1, dense: [0.1, 0.7], text: 'red shoes'},
                                {id: 2, dense: [1, 0], text: 'a blue hat'};
        CREATE INDEX ON docs FOR year TYPE integer;
        DUMP COLLECTION docs TO 'docs.qql';
        OPTIMIZE docs''')
    found = db.execute("QUERY [1, 0] FROM docs USING dense LIMIT 2 WITH VECTOR")
    words = db.execute("QUERY 'shoes' FROM docs USING words LIMIT 1")
    told = db.execute("EXPLAIN ANALYZE QUERY [1, 0] FROM docs USING dense LIMIT 2")
    walked = [hit.id for hit in db.scroll("SCROLL FROM docs", page=1)]
    print(json.dumps([found.ids, found[1].vector["dense"], words.ids, told.kind, walked]))
with qql.dbapi.connect("db") as con:
    print(con.cursor().execute("COUNT FROM docs").fetchall())
async def search():
    async with qql.connect_async("db") as db:
        return (await db.execute("QUERY [1, 0] FROM docs USING dense LIMIT 1")).ids
print(asyncio.run(search()))
"""
    first, counted, found = carried_out(program, tmp_path).splitlines()
    assert json.loads(first) == [[2, 1], [0.1, 0.7], [1], "text", [1, 2]]
    assert (counted, found) == ("[(2,)]", "[2]")


@pytest.mark.parametrize(
    ("call", "error", "package", "hint"),
    [
        ("qql.connect('http://localhost:1')", "QQLConnectionError", "qdrant-client", "qdrant-client"),
        ("qql.connect('grpc://localhost:1')", "QQLConnectionError", "qdrant-client", "qdrant-client"),
        ("qql.connect(object())", "QQLConnectionError", "qdrant-client", "qdrant-client"),
        (
            "asyncio.run(qql.connect_async('http://localhost:1').__aenter__())",
            *("QQLConnectionError", "qdrant-client", "qdrant-client"),
        ),
        ("qql.dbapi.connect('http://localhost:1')", "OperationalError", "qdrant-client", "qdrant-client"),
        ("request.to_models()", "QQLExecutionError", "qdrant-client", "qdrant-client"),
        ("request.python()", "QQLExecutionError", "qdrant-client", "qdrant-client"),
        ("bodiless.python()", "QQLExecutionError", "qdrant-client", "qdrant-client"),
        ("request.send(object())", "QQLExecutionError", "qdrant-client", "qdrant-client"),
        (
            "qql.embed(text, {'dense': 'http://localhost:1/v1#m'})",
            *("QQLModelError", "httpx", "httpx"),
        ),
        ("rerank()", "QQLModelError", "httpx", "httpx"),
        ("copy('v.npy')", "QQLExecutionError", "numpy", "numpy"),
        ("copy('v.parquet')", "QQLExecutionError", "numpy", "numpy"),
        ("prompt()", "QQLExecutionError", "prompt-toolkit", "prompt-toolkit"),
    ],
)
def test_what_needs_one_says_what_to_install(
    call: str, error: str, package: str, hint: str, tmp_path: Path
) -> None:
    program = f"""
import asyncio, sys, qql, qql.dbapi
[request] = qql.compile("COUNT FROM docs")
[bodiless] = qql.compile("SHOW COLLECTIONS")
[text] = qql.compile("QUERY 'x' FROM docs USING dense MODEL 'http://localhost:1/v1#m'")
def copy(path):
    open(path, "wb").write(b"PAR1")
    db = qql.connect(":memory:")
    db.execute("CREATE COLLECTION docs (dense VECTOR(2, DOT))")
    db.execute(f"COPY docs FROM '{{path}}'")
def rerank():
    from qql.models.rerankers import Rerankers
    Rerankers(url="http://localhost:1/rerank").rerank("http://localhost:1/rerank#m", "q", ["x"])
def prompt():
    from qql.cli.commands.options import Arguments
    from qql.cli.commands.run import prompt
    from qql.cli.render import Renderer
    prompt(Arguments(), Renderer(sys.stdout, err=sys.stderr, err_color=False))
try:
    {call}
except Exception as exc:
    found = exc if isinstance(exc, qql.QQLError) else exc.__cause__
    print(type(exc).__name__, found.code, found.message, found.hint, sep="|")
"""
    found = carried_out(program, tmp_path).strip().split("|")
    assert found[:2] == [error, "missing-library"]
    assert f" needs {package}, which is not installed" in found[2]
    assert found[3].split("; ")[0] == f"pip install {hint}"


def command(*words: str, terminal: bool = False) -> str:
    """A program that runs the command line, and prints its exit code behind all that it says."""
    streams = "sys.stdin.isatty = sys.stdout.isatty = lambda: True\n" if terminal else ""
    streams += "sys.stderr = sys.stdout\n"
    return f"import sys\n{streams}from qql.cli import main\nprint(main({[*words]!r}))\n"


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (("check", "-c", "COUNT FROM docs"), "0 errors"),
        (("fmt", "q.qql"), "COUNT FROM docs"),
        (("lint", "-c", "COUNT FROM docs"), "0 errors"),
        (("compile", "-c", "COUNT FROM docs"), "points/count"),
        (("explain", "-c", "COUNT FROM docs"), "points/count"),
        (("convert", "-c", 'POST /collections/docs/points/count\n{"exact": true}'), "COUNT FROM docs"),
        (("help", "COUNT"), "COUNT"),
        (("run", "--db", "db", "--format", "table", "s.qql"), "│  1 │ 紅い靴"),
        (("run", "--db", "db", "--format", "vertical", "s.qql"), "紅い靴"),
    ],
)
def test_commands_need_none_of_them(words: tuple[str, ...], shows: str, tmp_path: Path) -> None:
    (tmp_path / "q.qql").write_text("count from docs", encoding="utf-8")
    script = "CREATE COLLECTION d (v VECTOR(1, DOT)); UPSERT INTO d VALUES {id: 1, v: [1], t: '紅い靴'};"
    script += "SCROLL FROM d"
    (tmp_path / "s.qql").write_text(script, encoding="utf-8")
    out = carried_out(command(*words), tmp_path)
    assert shows in out
    assert out.splitlines()[-1] == "0"


@pytest.mark.parametrize(
    ("program", "package"),
    [
        (command("run", "-c", "SHOW COLLECTIONS", "--url", "http://localhost:1"), "qdrant-client"),
        (command("compile", "-c", "COUNT FROM docs", "--url", "http://localhost:1"), ""),
        (command(terminal=True), "prompt-toolkit"),
    ],
)
def test_a_command_that_needs_one_says_so_and_is_no_crash(program: str, package: str, tmp_path: Path) -> None:
    out = carried_out(program, tmp_path)
    assert "internal error" not in out
    assert (f"pip install {package}" in out) == bool(package)
    assert out.splitlines()[-1] in ("1", "2", "4")


# ------------------------------------------------------------------------------------------- their doors

BEHIND_DOORS = {
    "backends.client": "session/connect.py and rest/request.py",
    "rest.snippets": "rest/request.py",
    "rest.request": "itself",
    "cli.repl": "cli/commands/run.py, and cli/process.py for what it misses",
    "cli.prompt": "the same",
    "highlight": "cli/repl.py, or Pygments itself, which looks for it",
    "cli.profiles.config": "itself",
    "cli.saved_statements": "itself",
    "cli.render.cells_of_text": "itself",
    "models.http_service": "itself",
    "models.rerankers.http": "models/http_service.py, whose request is the first thing that is done",
    "session.row_files.npy": "itself",
    "session.row_files.parquet": "itself",
    "backends.short_floats": "itself",
    "evaluation.recording.settings_at_once": "itself",
    "evaluation.recording.many_fusions": "evaluation/recording/settings_at_once.py",
    "evaluation.calibration.logistic": "itself",
    "evaluation.recording.contenders": "evaluation/recording/settings_at_once.py",
    "evaluation.recorded_tuning.best_of_many": "itself",
    "evaluation.recorded_tuning.many_measures": "evaluation/recording/settings_at_once.py",
    "notebook.colours": "IPython, which brings Pygments and prompt-toolkit",
    "integrations": "qql.missing.library, at the top",
}
"""Who imports what may be absent, and where a missing one becomes an error. A new one stands behind one."""


def imported(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_who_imports_one_of_them_stands_behind_a_door() -> None:
    found = set()
    for path in sorted((ROOT / "qql").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "qql").with_suffix("").parts)
        if any(name.partition(".")[0] in ABSENT for name in imported(path)):
            doors = [door for door in BEHIND_DOORS if f"{module}.".startswith(f"{door}.")]
            assert doors, f"{module} imports what may be absent"
            found |= {*doors}
    assert found == {*BEHIND_DOORS}


# ----------------------------------------------------------------------------------- what stands in for them

CELLS = st.text(alphabet="ab 紅い靴éñ한…│", max_size=12)


@given(CELLS, st.integers(0, 14))
@example("紅い靴", 3)
def test_texts_are_as_wide_as_rich_says(text: str, width: int) -> None:
    from rich import cells

    assert plain_cells.cell_len(text) == cells.cell_len(text)
    assert plain_cells.set_cell_size(text, width) == cells.set_cell_size(text, width)
    assert plain_cells.chop_cells(text, max(width, 2)) == (cells.chop_cells(text, max(width, 2)) or [""])


@pytest.mark.parametrize("name", ["ASCII", "SQUARE"])
def test_boxes_have_the_lines_of_richs(name: str) -> None:
    from rich import box

    ours, theirs, widths = getattr(boxes, name), getattr(box, name), [3, 1, 4]
    assert ours.get_top(widths) == theirs.get_top(widths)
    assert ours.get_row(widths) == theirs.get_row(widths, "head") == theirs.get_row(widths, "row")
    assert ours.get_bottom(widths) == theirs.get_bottom(widths)
    assert ours.mid_vertical == theirs.mid_vertical


@given(st.lists(st.floats(width=32) | st.floats(allow_nan=False), max_size=6))
@example([0.10000000149011612, 0.7000000476837158, 16777216.0, 1e-45, 3.4028234663852886e38])
def test_numbers_are_as_short_without_numpy(values: list[float]) -> None:
    import numpy

    ours, theirs = short_floats.shortest_by_digits(values), short_floats.shortest_floats(values)
    with numpy.errstate(over="ignore"):
        assert numpy.array_equal(numpy.float32(ours), numpy.float32(theirs), equal_nan=True)
    if all(map(math.isfinite, values)):  # else NumPy's way leaves all as they are
        assert all(len(repr(one)) <= len(repr(other)) for one, other in zip(ours, theirs, strict=True))
