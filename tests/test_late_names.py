"""What stands below ``if TYPE_CHECKING`` is there for annotations: no line that runs may use it."""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import qql

MODULES = sorted(Path(qql.__file__).parent.rglob("*.py"))


def blocks(tree: ast.Module) -> list[ast.If]:
    return [
        one
        for one in tree.body
        if isinstance(one, ast.If) and isinstance(one.test, ast.Name) and one.test.id == "TYPE_CHECKING"
    ]


def bound(body: list[ast.stmt]) -> Iterator[str]:
    """The names that statements bind."""
    for one in body:
        for part in ast.walk(one):
            if isinstance(part, (ast.Import, ast.ImportFrom)):
                yield from ((name.asname or name.name).split(".")[0] for name in part.names)
            elif isinstance(part, (ast.ClassDef, ast.FunctionDef)):
                yield part.name
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def loads(code: CodeType) -> Iterator[tuple[str, int]]:
    """The names of the module that code looks up when it runs, each with its line."""
    line = code.co_firstlineno
    for one in dis.get_instructions(code):
        line = one.starts_line or line
        if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(one.argval), line
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from loads(inner)


def used_in_vain(text: str) -> set[str]:
    if "TYPE_CHECKING" not in text:
        return set()
    tree = ast.parse(text)
    found = blocks(tree)
    typed = {name for block in found for name in bound(block.body)}
    real = {name for block in found for name in bound(block.orelse)}
    real |= set(
        bound([one for one in tree.body if one not in found and not isinstance(one, ast.FunctionDef)])
    )
    lines = {line for block in found for line in range(block.lineno, (block.end_lineno or 0) + 1)}
    code = compile(text, "module", "exec", dont_inherit=True)
    return {name for name, line in loads(code) if name in typed - real and line not in lines}


def test_names_for_annotations_are_not_used_when_a_module_runs() -> None:
    found = {one.name: wrong for one in MODULES if (wrong := used_in_vain(one.read_text("utf-8")))}
    assert not found


def test_a_name_that_is_used_in_vain_is_found() -> None:
    head = "from __future__ import annotations\nTYPE_CHECKING = False\n"
    head += "if TYPE_CHECKING:\n    from typing import Any\n"
    assert used_in_vain(head + "def f(x: Any) -> Any:\n    y: Any = x\n    return y\n") == set()
    assert used_in_vain(head + "def f(x):\n    return cast(Any, x)\n") == {"Any"}
    assert used_in_vain(head + "Fill = dict[str, Any]\n") == {"Any"}
