"""Writes docs/library*.md and tests/surface.txt: `python docs/library.py`.

`library_pages.py` beside it says what is public; signatures and words are those of the code.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import enum
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from library_pages import NOT_PUBLIC, PAGES, Page

ROOT = Path(__file__).parent.parent
SURFACE = ROOT / "tests" / "surface.txt"


_HEAD = "<!-- written by docs/library.py from the docstrings -->\n# {title}\n\n{about}\n"
_WORDS_HEAD = """\
## Words of signatures

| word | what it stands for |
|---|---|"""


# ------------------------------------------------------------------------------------------- what there is


class Entry:
    """A public name: what it is called, what it is, and its members."""

    def __init__(self, name: str) -> None:
        self.name = name
        module, _, self.short = name.rpartition(".")
        if module.startswith("qql.integrations."):  # whose frameworks need not be there
            self.thing: Any = _read_class(module, self.short)
        else:
            self.thing = getattr(importlib.import_module(module), self.short)

    @property
    def is_class(self) -> bool:
        return inspect.isclass(self.thing) or isinstance(self.thing, ReadClass)

    @property
    def is_alias(self) -> bool:
        """Whether it is a function to its callers and makes an object of a class that is public too."""
        return inspect.isclass(self.thing) and self.thing.__name__ != self.short and not self.of_others

    @property
    def of_others(self) -> bool:
        """Whether it is a name for something that is not of QQL, as ``qql.dbapi.Binary``."""
        return inspect.isclass(self.thing) and not self.thing.__module__.startswith("qql")

    def fields(self) -> list[str]:
        """Its fields, with types: ``id: int | str``."""
        if isinstance(self.thing, ReadClass):
            return self.thing.fields
        if not self.is_class or self.of_others or self.is_alias or isinstance(self.thing, enum.EnumMeta):
            return []
        found: dict[str, str] = {}
        for kind in reversed(_own_classes(self.thing)):
            for name, annotation in inspect.get_annotations(kind).items():
                if not name.startswith("_") and name not in self._hidden():
                    found[name] = _annotation(annotation)
        return [f"{name}: {annotation}" for name, annotation in found.items()]

    def members(self) -> list[tuple[str, Any]]:
        """Its methods and properties, each with its name, in the order of the code."""
        if isinstance(self.thing, ReadClass):
            return [(one.__name__, one) for one in self.thing.methods]
        if not self.is_class or self.of_others or self.is_alias:
            return []
        found: dict[str, Any] = {}
        made = self.thing.__dict__.get("__init__")
        if inspect.isfunction(made) and not hasattr(self.thing, "__field_names__"):
            found["__init__"] = made
        if "__init__" in self._hidden():
            found = {}
        for kind in _own_classes(self.thing):
            for name, member in kind.__dict__.items():
                if name.startswith("_") or name in self._hidden():
                    continue
                if isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(member):
                    found.setdefault(name, member)
        return list(found.items())

    def _hidden(self) -> set[str]:
        return {name for kind in self.thing.__mro__ for name in NOT_PUBLIC.get(kind.__name__, "").split()}

    def bases(self) -> list[str]:
        """The public classes that it is made of."""
        if isinstance(self.thing, ReadClass):
            return self.thing.bases
        bases = [one.__name__ for one in self.thing.__bases__]
        return [one for one in bases if one in PUBLIC_CLASSES or one == "Exception"]

    def signature(self) -> str:
        """How it is written: ``qql.split(text: str) -> list[str]``."""
        if self.is_alias:
            return signature_of(self.name, self.thing.__init__, returns=self.thing.__name__)
        if self.is_class:
            bases = f"({', '.join(bases)})" if (bases := self.bases()) else ""
            return f"class {self.name}{bases}"
        if inspect.isroutine(self.thing):
            return signature_of(self.name, self.thing)
        if isinstance(self.thing, (types.GenericAlias, types.UnionType)):
            return f"{self.name} = {self.thing}"
        return f"{self.name}: {type(self.thing).__name__}"

    def doc(self) -> str:
        """Its words."""
        if self.is_class or inspect.isroutine(self.thing):
            return doc_of(self.thing)
        module = self.name.rpartition(".")[0]
        return _words_below(module, self.short)


class ReadClass:
    """A class as its source has it, where it cannot be imported."""

    def __init__(self, node: ast.ClassDef) -> None:
        self.__doc__ = ast.get_docstring(node)
        self.bases = [ast.unparse(one) for one in node.bases]
        self.fields = [
            ast.unparse(one).partition(" = ")[0] + _default(one)
            for one in node.body
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.target.id[0] != "_"
        ]
        self.methods = [
            ReadMethod(one)
            for one in node.body
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))
            and (one.name[0] != "_" or (one.name == "__init__" and not self.fields))
        ]


class ReadMethod:
    """A method of such a class."""

    def __init__(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.__name__ = node.name
        self.__doc__ = ast.get_docstring(node)
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        self.signature = f"({ast.unparse(node.args)}){returns}"
        self.awaited = "await " if isinstance(node, ast.AsyncFunctionDef) else ""


def _default(field: ast.AnnAssign) -> str:
    value = field.value
    if value is None or isinstance(value, ast.Call):
        return "" if value is None else " = …"
    return f" = {ast.unparse(value)}"


def _read_class(module: str, name: str) -> ReadClass:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return ReadClass(node)
    raise LookupError(f"{module} has no class {name}")


def _own_classes(thing: type) -> list[type]:
    """The classes of QQL that it is made of and that are not public themselves; it is the first."""
    return [
        one
        for one in thing.__mro__
        if one.__module__.startswith("qql.") and (one is thing or one.__name__ not in PUBLIC_CLASSES)
    ]


def _words_below(module: str, name: str) -> str:
    """The docstring that stands below a constant."""
    source = inspect.getsource(sys.modules[module])
    body = ast.parse(source).body
    for one, behind in zip(body, [*body[1:], None], strict=True):
        targets = one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            words = getattr(getattr(behind, "value", None), "value", None)
            return inspect.cleandoc(words) if isinstance(words, str) else ""
        if isinstance(one, ast.ImportFrom) and one.module and any(alias.name == name for alias in one.names):
            importlib.import_module(one.module)
            return _words_below(one.module, name)
    return ""


def doc_of(thing: Any) -> str:
    """The docstring of a thing; a method of another class's words has them by inheritance."""
    return inspect.cleandoc(thing.__doc__ or "")


class _Raw:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _annotation(given: Any) -> str:
    if isinstance(given, str):
        return given
    return inspect.formatannotation(given).replace("typing.", "")


def _parameter(one: inspect.Parameter) -> inspect.Parameter:
    if one.annotation is not one.empty:
        one = one.replace(annotation=_Raw(_annotation(one.annotation)))
    if one.default is not one.empty and not isinstance(one.default, (str, int, float, tuple, type(None))):
        one = one.replace(default=_Raw("…"))
    return one


def signature_of(name: str, thing: Any, returns: str = "") -> str:
    """How a function or method is called; long ones have a line for each parameter."""
    if isinstance(thing, property):
        return f"{name}: {_annotation(thing.fget.__annotations__.get('return', 'Any'))}"
    if isinstance(thing, ReadMethod):
        return thing.awaited + name + re.sub(r"^\((self|cls)(, )?", "(", thing.signature)
    function = thing.__func__ if isinstance(thing, (classmethod, staticmethod)) else thing
    given = inspect.signature(function)
    parameters = [_parameter(one) for one in given.parameters.values() if one.name not in ("self", "cls")]
    gives = given.return_annotation
    if gives is not given.empty or returns:
        gives = _Raw(returns or _annotation(gives))
    awaited = "await " if inspect.iscoroutinefunction(function) else ""
    return awaited + name + str(given.replace(parameters=parameters, return_annotation=gives))


def member_signature(owner: str, name: str, member: Any) -> str:
    """How a member of a class is written."""
    if name == "__init__":
        return signature_of(owner, member, returns=owner.rpartition(".")[2])
    return signature_of(f"{owner}.{name}", member)


PUBLIC_CLASSES: frozenset[str] = frozenset()
ENTRIES: dict[str, Entry] = {}


def _collect() -> None:
    global PUBLIC_CLASSES
    for page in PAGES:
        for part in page.parts:
            ENTRIES.update((name, Entry(name)) for name in part.names)
    PUBLIC_CLASSES = frozenset(one.short for one in ENTRIES.values() if one.is_class)


_collect()


# ---------------------------------------------------------------------------------------------- as markdown

_SECTION = re.compile(r"(Args|Raises|Returns|Yields|Attributes):$")
_TITLES = {"Args": "Arguments"}


def markdown(doc: str) -> str:
    """A docstring as markdown."""
    blocks = re.split(r"\n\s*\n", doc.strip("\n"))
    return "\n\n".join(_block(one) for one in blocks if one.strip())


def _block(text: str) -> str:
    lines = text.splitlines()
    if lines[0].startswith(">>>"):
        return "\n".join(["```python", *lines, "```"])
    if re.match(r"=+( +=+)*$", lines[0]):
        return "\n".join(["```text", *lines, "```"])
    if found := _SECTION.match(lines[0]):
        title = _TITLES.get(found[1], found[1])
        return "\n".join([f"**{title}**", "", *_items(lines[1:])])
    return _inline("\n".join(lines))


def _items(lines: list[str]) -> Iterator[str]:
    """The items of a section: a name, its words, and lines that go on with them."""
    for line in lines:
        if line.startswith("     "):
            yield f"  {_inline(line.strip())}"
        else:
            name, _, words = line.strip().partition(": ")
            names = ", ".join(f"`{one.strip('` ')}`" for one in name.split(","))
            yield f"* {names}: {_inline(words)}" if words else f"* {_inline(name)}"


def _inline(text: str) -> str:
    return text.replace("``", "`")


def _fence(text: str) -> str:
    return f"```python\n{_folded(text)}\n```\n"


def _folded(text: str) -> str:
    """A signature that is longer than a line has one for each parameter."""
    if len(text) <= 100 or "(" not in text:
        return text
    head, _, rest = text.partition("(")
    depth, start, parts = 1, 0, []
    for at, char in enumerate(rest):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 or (depth == 1 and char == ","):
            parts.append(f"    {rest[start:at].strip()},")
            start = at + 1
        if depth == 0:
            break
    return "\n".join([f"{head}(", *parts, f"){rest[start:]}"])


def title_of(entry: Entry) -> str:
    """The heading of an entry."""
    return f"class {entry.name}" if entry.is_class and not entry.is_alias else entry.name


def section(entry: Entry) -> str:
    """An entry as markdown."""
    if entry.of_others:
        where = entry.thing.__module__.replace("builtins", "")
        other = f"{where}.{entry.thing.__qualname__}".lstrip(".")
        return f"### {title_of(entry)}\n\nThis is `{other}`.\n"
    form = entry.signature()
    if fields := entry.fields():
        form = "\n".join([f"{form}:", *(f"    {one}" for one in fields)])
    parts = [f"### {title_of(entry)}\n", _fence(form) if not fields else f"```python\n{form}\n```\n"]
    maker = next((one for one in ENTRIES.values() if one.is_alias and one.thing is entry.thing), entry)
    if maker is not entry:
        parts.append(f"Made by `{maker.name}`.\n")
    elif words := markdown(entry.doc()):
        parts.append(f"{words}\n")
    for name, member in entry.members():
        parts.append(_fence(member_signature(entry.short, name, member)))
        if words := markdown(doc_of(member)):
            parts.append(f"{words}\n")
    return "\n".join(parts)


def anchor(title: str) -> str:
    """The anchor that a heading has on GitHub and its like."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def page_text(page: Page) -> str:
    """A page of the reference."""
    parts = [_HEAD.format(title=page.title, about=page.about)]
    for part in page.parts:
        links = [f"[`{ENTRIES[name].short}`](#{anchor(title_of(ENTRIES[name]))})" for name in part.names]
        parts.append(f"* [{part.title}](#{anchor(part.title)}): {', '.join(links)}")
    parts.append("")
    for part in page.parts:
        parts.append(f"## {part.title}\n")
        if part.about:
            parts.append(f"{part.about}\n")
        parts += [section(ENTRIES[name]) for name in part.names]
    if page.words:
        parts += [_WORDS_HEAD, *(f"| `{word}` | {meaning} |" for word, meaning in page.words.items())]
    return "\n".join(parts).rstrip() + "\n"


# ------------------------------------------------------------------------------------------ the public names


def surface() -> list[str]:
    """Every public name with its signature, a line each."""
    return [line for entry in ENTRIES.values() for line in _lines_of(entry)]


def _lines_of(entry: Entry) -> Iterator[str]:
    yield " ".join(entry.signature().split())
    yield from (f"{entry.name}.{one}" for one in entry.fields())
    for name, member in entry.members():
        kind = "property " if isinstance(member, property) else ""
        yield kind + member_signature(entry.name, name, member)


_LITERALS = re.compile(r"'[^']*'|Literal\[[^\]]*\]")
_ANNOTATION = re.compile(r"(?:: |-> )([^=]*?)(?=, \*?\w+:|, [*/]|\)|=|$)")
_OF_PYTHON = {*dir(builtins), *dir(typing), *dir(collections.abc), "datetime", "pandas", "polars", "pyarrow"}


def unexplained(page: Page) -> set[str]:
    """The words of a page's signatures that neither a heading nor its table has."""
    known = {*page.words, *_OF_PYTHON, *(one.short for one in ENTRIES.values())}
    known |= {"nodes"} if "nodes.…" in page.words else set()
    words: set[str] = set()
    for entry in (ENTRIES[name] for part in page.parts for name in part.names):
        lines = [] if entry.of_others else [*_lines_of(entry)]
        found = [one for line in lines for one in _ANNOTATION.findall(_LITERALS.sub("", line))]
        words.update(word for one in found for word in re.findall(r"(?<![\w.])[A-Za-z_]\w*", one))
    return words - known


def write_library(directory: Path, surface_file: Path) -> None:
    """Write the pages into a directory, and the list of names."""
    for page in PAGES:
        (directory / page.file).write_text(page_text(page), encoding="utf-8")
    surface_file.write_text("\n".join(surface()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_library(Path(__file__).parent, SURFACE)
