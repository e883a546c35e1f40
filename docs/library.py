"""Writes docs/library*.md and tests/surface.txt: `python docs/library.py`.

What is public stands here, by name (`PAGES`, `NOT_PUBLIC`); signatures and words are those of the code. What
has no place in it may change in any release; docs/stability.md says what that means.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
SURFACE = ROOT / "tests" / "surface.txt"


class Part(NamedTuple):
    """A chapter of a page: ``names`` are public, each with its module."""

    title: str
    about: str
    names: tuple[str, ...]


class Page(NamedTuple):
    """A page of the reference."""

    file: str
    title: str
    about: str
    parts: tuple[Part, ...]


def _of(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names.split())


def _all_of(module: str) -> tuple[str, ...]:
    """The names of a module: classes first, for functions take and give them."""
    return _of(module, " ".join(importlib.import_module(module).__all__))


QQL = (
    Part(
        "Sessions",
        "A session carries statements out.",
        _of("qql", "connect Session connect_async AsyncSession Walk AsyncWalk"),
    ),
    Part(
        "Results",
        "What a statement gives.",
        _of("qql", "Result Hit Group StageShare"),
    ),
    Part(
        "From texts to requests",
        "All of this works without an engine.",
        _of("qql", "compile check explain lint format parse split from_request condition embed")
        + _of("qql", "CompileOptions Request Compiled Schema VectorInfo __version__"),
    ),
    Part(
        "Prepared statements",
        "Texts that are read once and carried out with many values. A session's are made by its `prepare`.",
        _of("qql", "prepare Prepared SessionStatement AsyncStatement Parameter"),
    ),
    Part(
        "Retrievers",
        "A pipeline as a call. Those of frameworks need their extras: "
        '`pip install "qql-lang[langchain]"`, `[llama-index]`, `[haystack]`.',
        (
            *_of("qql", "retriever Retriever Document"),
            "qql.integrations.langchain.QQLRetriever",
            "qql.integrations.llama_index.QQLRetriever",
            "qql.integrations.haystack.QQLRetriever",
        ),
    ),
    Part(
        "Errors",
        "Every error is a `QQLError`. Codes are as stable as names, messages and hints are not.",
        _of("qql", "QQLError QQLCompileError QQLSyntaxError QQLPlanError QQLScriptError QQLExecutionError")
        + _of("qql", "QQLUnsupportedError QQLModelError QQLConnectionError QQLTimeoutError")
        + _of("qql", "Diagnostic Span Source"),
    ),
    Part(
        "Models and engines of your own",
        "What an object has to have that stands for a model, or that `connect` takes for an engine. For most "
        "models a function will do.",
        (
            "qql.models.embedders.Embedders",
            "qql.models.embedders.base.Embedder",
            "qql.models.rerankers.base.Reranker",
            "qql.backends.base.Backend",
        ),
    ),
    Part(
        "The DB-API",
        "`qql.dbapi` is Python's DB-API 2.0 (PEP 249); what that says of a name holds here.",
        _all_of("qql.dbapi"),
    ),
)
PAGES = (
    Page(
        "library.md",
        "The library",
        "What a program may import, with signatures and errors.\n"
        "[library-build.md](library-build.md) has `qql.build`, "
        "[library-evaluation.md](library-evaluation.md) `qql.evaluation`.\n"
        "[stability.md](stability.md) says what is public, and for how long it stays.",
        QQL,
    ),
    Page(
        "library-build.md",
        "qql.build",
        "Filters, queries and statements of Python objects; [build.md](build.md) puts them together.",
        (
            Part(
                "Names",
                "Arguments are called as the clauses that they become; None is as if one were left out.\n"
                "All raise `QQLPlanError` (`wrong-argument`) for what cannot stand where it is given, and "
                "`TypeError` for an\nargument that there is not.",
                ("qql.build.clauses.QueryClauses", *_all_of("qql.build")),
            ),
        ),
    ),
    Page(
        "library-evaluation.md",
        "qql.evaluation",
        "How good pipelines are, how fast, how they differ, and which settings are worth having.",
        (Part("Names", "", _all_of("qql.evaluation")),),
    ),
)

NOT_PUBLIC: dict[str, str] = {
    "Session": "__init__ backend checked analyse stamp facts full_facts knows_collections",
    "AsyncSession": "__init__ carried checked context analyse stamp facts full_facts knows_collections inner",
    "AsyncStatement": "__init__ carried inner",
    "SessionStatement": "__init__",
    "Walk": "__init__",
    "AsyncWalk": "__init__",
    "Connection": "__init__",
    "Cursor": "__init__",
    "Retriever": "__init__",
    "Compiled": "made_of filled own_requests written origin",
    "Prepared": "__init__",
    "Diagnostic": "at",
    "Embedders": "get size_of load take_notes",
    "QQLError": "at make exit_code",
    "Source": "position line hidden",
    "Recording": "header of_header",
    "RecordedQuery": "to_dict of_dict",
    "RecordedStage": "to_dict of_dict",
}
"""Members that have no underscore, as other rooms of the house use them, and that are not public."""

_HEAD = "<!-- written by docs/library.py from the docstrings -->\n# {title}\n\n{about}\n"
_WORDS = """\
## Words of signatures

| word | what it stands for |
|---|---|
| `Params` | values of parameters: a mapping for `:name`, a sequence for `?`; [values.md](values.md) |
| `TextOrTree` | a text, a tree of `qql.build` or `qql.parse`, or several trees |
| `Json`, `JsonObject` | None, a bool, number, text, list or dict of such; a dict of such |
| `Kind` | `"hits"`, `"rows"`, `"message"` or `"text"` |
| `Stages` | name → a stage as text, as a tree or as what `qql.build` makes |
| `SchemaSource` | name → `Schema`, the body that creates it, or the answer to `GET /collections/{name}` |
| `Progress` | a function of a `str`, which is told how far a long statement is |
| `nodes.…` | a class of `qql.nodes`: the tree, whose classes and fields follow the grammar |
"""


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
    if page.parts is QQL:
        parts.append(_WORDS)
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


def write_library(directory: Path, surface_file: Path) -> None:
    """Write the pages into a directory, and the list of names."""
    for page in PAGES:
        (directory / page.file).write_text(page_text(page), encoding="utf-8")
    surface_file.write_text("\n".join(surface()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_library(Path(__file__).parent, SURFACE)
