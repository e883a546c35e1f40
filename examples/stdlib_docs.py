"""Write the documentation of this interpreter's standard library as JSON Lines: one row a docstring.

    python examples/stdlib_docs.py build/stdlib.jsonl

Sources are read, not imported, so no module runs; only modules without a source (written in C) are imported.
A row has ``name`` (unique), ``module``, ``kind`` (module, class, function or method), ``text`` (signature
and docstring), ``words`` (how many) and ``title``: the name in words, and what the docstring begins with.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEFT_OUT = {"test", "tests", "idlelib", "idle_test", "turtledemo", "site-packages", "__phello__"}
LEFT_OUT |= {"distutils", "lib2to3"}  # deprecated, and gone in later versions
SAID = {"rm": "remove", "mk": "make", "mv": "move", "cp": "copy", "dir": "directory", "dirs": "directories"}
"""What names say in short, as Unix does."""
TITLE = 400  # characters of the docstring
Row = dict[str, Any]


def spoken(name: str) -> str:
    """A name in words: ``shutil.rmtree`` is ``shutil remove tree``, ``TestCase`` is ``test case``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace(".", " ").replace("_", " ").lower()
    words = re.sub(r"\b(rm|mk|mv|cp)(?=[a-z]{3})", r"\1 ", words)
    return " ".join(SAID.get(word, word) for word in words.split())


def row(name: str, module: str, kind: str, signature: str, doc: str) -> Row:
    text = f"{signature}\n{doc}" if signature else f"{name}\n{doc}"
    begins = " ".join(doc.strip().split("\n\n")[0].split())[:TITLE]
    return {
        "name": name,
        "module": module,
        "kind": kind,
        "text": text,
        "words": len(text.split()),
        "title": f"{spoken(name)}: {begins}",
    }


def sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Module names and files of the library, private modules left out."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and not LEFT_OUT & set(parts) and parts[0] in sys.stdlib_module_names:
            yield ".".join(parts), path


def from_source(module: str, path: Path) -> Iterator[Row]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    doc = ast.get_docstring(tree)
    if doc:
        yield row(module, module, "module", "", doc)
    yield from below(tree, module, module, "function")


def below(node: ast.Module | ast.ClassDef, prefix: str, module: str, kind: str) -> Iterator[Row]:
    for child in node.body:
        if not isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        name = f"{prefix}.{child.name}"
        doc = ast.get_docstring(child)
        if isinstance(child, ast.ClassDef):
            if doc:
                yield row(name, module, "class", f"class {name}", doc)
            yield from below(child, name, module, "method")
        elif doc and not (child.name.startswith("_") and not child.name.startswith("__")):
            yield row(name, module, kind, f"{name}({ast.unparse(child.args)})", doc)


def from_extension(module: str) -> Iterator[Row]:
    """The documented members of a module that has no Python source."""
    found = importlib.import_module(module)
    if found.__doc__:
        yield row(module, module, "module", "", inspect.cleandoc(found.__doc__))
    for name, member in sorted(vars(found).items()):
        doc = getattr(member, "__doc__", None)
        if (
            name.startswith("_")
            or not isinstance(doc, str)
            or not (inspect.isbuiltin(member) or inspect.isclass(member))
        ):
            continue
        kind = "class" if inspect.isclass(member) else "function"
        signature = f"{kind if kind == 'class' else ''} {module}.{name}".strip()
        yield row(f"{module}.{name}", module, kind, signature, inspect.cleandoc(doc))


def extensions() -> list[str]:
    names = []
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_"):
            continue
        spec = importlib.util.find_spec(name)
        if spec is not None and not (spec.origin or "").endswith(".py"):
            names.append(name)
    return names


def rows() -> Iterator[Row]:
    """Every documented thing once, in the order of the files."""
    seen: set[str] = set()
    root = Path(sysconfig.get_path("stdlib"))
    found = [from_source(module, path) for module, path in sources(root)]
    found += [from_extension(module) for module in extensions()]
    for group in found:
        for one in group:
            if one["name"] not in seen:
                seen.add(one["name"])
                yield one


def main() -> None:
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with target.open("w", encoding="utf-8") as file:
        for one in rows():
            file.write(json.dumps(one, ensure_ascii=False) + "\n")
            count += 1
    print(f"{count:,} docstrings of Python {sys.version.split()[0]} in {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
