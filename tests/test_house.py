"""The house itself: who may import whom, what is exported, and that rules, nodes and documents agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT

import qql
from qql import nodes
from qql.syntax.builder import Builder
from qql.syntax.lalr import grammar_text

PACKAGE = ROOT / "qql"

# From the bottom of the house to its top: a module imports only what stands before it.
ORDER = [
    "records",
    "late",
    "visible",
    "underway",
    "flows",
    "awaiting",
    "errors",
    "kinds",
    "allowed",
    "missing",
    "packed_files",
    "nodes",
    "versioned",
    "kept",
    "schema",
    "rest",
    "result",
    "frames",
    "syntax",
    "compiler",
    "build",
    "convert",
    "advice",
    "analysis",
    "pictures",
    "manual",
    "highlight",
    "models",
    "backends",
    "session",
    "dbapi",
    "retrieval",
    "integrations",
    "evaluation",
    "cli",
    "notebook",
    "__main__",
]
ENGINES = {
    "qdrant_client": "backends/client, rest/snippets",
    "qdrant_edge": "backends/edge, models/embedders/bm25",
    "fastembed": "models/onnx, models/embedders/fastembed, models/rerankers/fastembed",
    "prompt_toolkit": "cli/repl, cli/prompt, notebook/colours",
    "pygments": "highlight, notebook/colours",
    "rich": "cli/render/cells_of_text, cli/repl",
    "lark": "syntax/lalr",
    "pyarrow": "evaluation/sections, session/row_files/parquet, frames/arrow, result",
    "pandas": "evaluation/sections, frames/pandas, result",
    "polars": "evaluation/sections, frames/polars, result",
    "IPython": "notebook",
    "opentelemetry": "session/tracing",
    "greenlet": "awaiting",
    "shtab": "cli/completion_scripts",
}


DOORS = {"rest.request": "qql.backends.client.send"}
"""A value's own method that a room above carries out: imported when it is called, and by nothing else."""


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found.append((".".join(p for p in parts if p != "__init__"), path))
    return found


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def place(module: str) -> int | None:
    """Where a module stands; the modules of a package stand where the package stands."""
    while module:
        if module in ORDER:
            return ORDER.index(module)
        module = module.rpartition(".")[0]
    return None


def upward(module: str, path: Path) -> Iterator[str]:
    """What a module imports of rooms that are not below its own."""
    here = place(module)
    assert here is not None, f"{module} has no place in the order"
    for name in imports(path):
        if name.startswith("qql."):
            if module in DOORS and name.startswith(DOORS[module]):
                continue
            other = place(name.removeprefix("qql."))
            same_package = module.split(".")[0] == name.split(".")[1]
            if other is not None and other >= here and not same_package:
                yield f"{module} imports {name}"


def test_imports_point_one_way() -> None:
    assert not [one for module, path in modules() if module for one in upward(module, path)]


def test_an_import_of_a_room_above_is_found(tmp_path: Path) -> None:
    path = tmp_path / "points.py"
    path.write_text("from qql.kept import Kept\nfrom qql import errors, nodes, session\n", encoding="utf-8")
    found = {"qql.kept", "qql.kept.Kept", "qql.session"}
    assert {*upward("nodes.points", path)} == {f"nodes.points imports {name}" for name in found}


def test_each_library_has_its_importers() -> None:
    for module, path in modules():
        for name in imports(path):
            library = name.split(".")[0]
            if library in ENGINES and module != "rest.request":  # Request.to_models hands out their objects
                allowed = ENGINES[library].replace("/", ".").split(", ")
                assert any(module.startswith(a) for a in allowed), f"{module} imports {library}"


@pytest.mark.parametrize("statement", ["import qql", "import qql; qql.compile('COUNT FROM docs')"])
def test_start_up_is_lean(statement: str) -> None:
    heavy = {
        "qdrant_client",
        "qdrant_edge",
        "numpy",
        "rich",
        "prompt_toolkit",
        "fastembed",
        "pydantic",
        "httpx",
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not heavy & loaded


def test_what_is_exported_exists() -> None:
    for name in qql.__all__:
        assert getattr(qql, name) is not None
    assert set(qql._HOME) | {"__version__"} == set(qql.__all__)
    assert dir(qql) == sorted(qql.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        qql.nothing  # noqa: B018


def test_every_node_has_its_rule_and_every_rule_its_builder() -> None:
    text = re.sub(r"//.*", "", grammar_text())
    rules = set(re.findall(r"^\??([a-z]\w*):", text, re.M)) | set(re.findall(r"-> (\w+)", text))
    builder = Builder()
    inlined = set(re.findall(r"^\?([a-z]\w*):", text, re.M))
    # The forms of these have names of their own.
    inlined |= {"copy_option", "preset", "using_part", "embedding_part", "quantize_part"}
    for rule in rules - inlined:
        assert hasattr(builder, rule), f"the rule {rule} makes nothing"
    made_elsewhere = {"node", "scalar", "selection", "ref", "lookup", "target"}
    made_elsewhere |= {"update_payload", "update_vector", "update_vectors"}  # the forms of UPDATE
    for name in vars(nodes):
        value = getattr(nodes, name)
        if isinstance(value, type) and issubclass(value, nodes.Node):
            rule = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            assert rule in rules | made_elsewhere, f"no rule makes {name}"


def test_every_node_says_how_it_is_written() -> None:
    for name in vars(nodes):
        value = getattr(nodes, name)
        if isinstance(value, type) and issubclass(value, nodes.Node) and value is not nodes.Node:
            assert "``" in (value.__doc__ or ""), f"{name} shows no QQL"


def test_files_named_in_the_documents_exist() -> None:
    pages = (ROOT / "ARCHITECTURE.md", ROOT / "docs" / "internals.md")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    for name in re.findall(r"`((?:qql|grammar|tests|examples|benchmarks)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), f"a document names {name}"
    for name in re.findall(r"`([\w/]+\.py)`", text):
        assert (ROOT / name).exists() or list(PACKAGE.rglob(name)), f"a document names {name}"


@pytest.mark.parametrize("package", ["qql.advice", "qql.analysis", "qql.cli.render"])
def test_no_late_name_of_a_package_is_that_of_a_module(package: str) -> None:
    # Python itself puts a module that is imported in the place of such a name.
    found = import_module(package)
    assert not {*found.__all__} & {path.stem for path in Path(str(found.__file__)).parent.glob("*.py")}
    for name in found.__all__:
        assert getattr(found, name) is not None


def test_classes_of_fields_are_made_by_our_own_records() -> None:
    """Those of the library take longer to be made than a command takes to start."""
    for module, path in modules():
        if module != "records":
            taken = imports(path) & {
                f"dataclasses.{name}" for name in ("dataclass", "field", "fields", "replace")
            }
            assert not taken, f"{module} imports {', '.join(taken)}: they come from qql.records"
            assert "typing.NamedTuple" not in imports(path), f"{module}: NamedTuple comes from qql.records"


_AT_ONCE = ("syntax.lexer", "syntax.whole_values")  # which every text needs


def test_patterns_of_modules_are_compiled_late() -> None:
    for module, path in modules():
        source = path.read_text(encoding="utf-8")
        if module in _AT_ONCE or "re.compile" not in source:
            continue
        for statement in ast.parse(source).body:
            if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                text = ast.unparse(statement)
                assert "re.compile(" not in text, (
                    f"{module}: `late_pattern` in place of re.compile: {text:.60}"
                )
