"""What is public: the library's pages are up to date, its names are those of the list that is kept, and their
words say what a caller needs. docs/stability.md says what that is for."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT

import qql

DOCS = ROOT / "docs"
AGAIN = "`python docs/library.py` writes it anew"


def load_library() -> Any:
    """`docs/library.py`, which imports a module beside it."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("library")
    finally:
        sys.path.remove(str(DOCS))


library = load_library()
ENTRIES: dict[str, Any] = library.ENTRIES

RAISE_NOTHING = {
    *("Session.forget_collections", "Session.close", "AsyncSession.forget_collections", "AsyncSession.close"),
    *("Walk.close", "AsyncWalk.aclose", "Retriever.close", "Retriever.aclose", "Cursor.close"),
    *(
        "Result.to_dicts",
        "Hit.get",
        "Hit.to_dict",
        "StageShare.to_dict",
        "Request.to_dict",
        "Document.to_dict",
    ),
    *("Schema.with_models", "Schema.describe_vectors", "VectorInfo.describe", "Embedders.close"),
    *("QQLError.__init__", "QQLError.render", "Diagnostic.render", "Diagnostic.to_dict", "Error.__init__"),
    *(
        "Backend.infers",
        "Backend.needs_optimize",
        "Backend.take_notes",
        "Backend.close",
        "Embedders.__init__",
    ),
    *("Cursor.setinputsizes", "Cursor.setoutputsize", "dbapi.DateFromTicks", "dbapi.TimeFromTicks"),
    *("dbapi.TimestampFromTicks", "QQLRetriever.is_lc_serializable", "QQLRetriever.get_lc_namespace"),
}
"""What raises no error of QQL's, so that its words name none."""
SAY_ALL = {
    "text",
    "params",
    "name",
    "statement",
    "script",
    "collection",
    "compiled",
    "question",
    "query",
    "texts",
}
"""Arguments whose names say what they are."""
OF_OTHERS = {"QdrantClient", "AsyncQdrantClient", "Secret"}


def words() -> Iterator[tuple[str, Any, str, Any]]:
    """Each public class, function and member: name, itself, docstring, and the entry that it is of."""
    for entry in ENTRIES.values():
        if entry.of_others:
            continue
        yield entry.name.removeprefix("qql."), entry.thing, entry.doc(), entry
        for name, member in entry.members():
            doc = library.doc_of(member)
            yield f"{entry.short}.{name}", member, entry.doc() if name == "__init__" else doc, entry


WORDS = list(words())
OTHERS = [one for one in ENTRIES.values() if not one.name.startswith(("qql.build.", "qql.evaluation."))]


# -------------------------------------------------------------------------------------- the pages, the list


@pytest.mark.parametrize("page", library.PAGES, ids=[page.file for page in library.PAGES])
def test_a_page_is_up_to_date(page: Any) -> None:
    assert (DOCS / page.file).read_text(encoding="utf-8") == library.page_text(page), AGAIN


def test_public_names_are_those_that_are_kept() -> None:
    kept = library.SURFACE.read_text(encoding="utf-8").splitlines()
    now = library.surface()
    gone, new = sorted({*kept} - {*now}), sorted({*now} - {*kept})
    assert not gone, f"public and changed or gone (docs/stability.md says how a name goes; {AGAIN}): {gone}"
    assert not new, f"public now ({AGAIN}): {new}"
    assert kept == now, AGAIN


@pytest.mark.parametrize("module", ["qql", "qql.build", "qql.dbapi", "qql.evaluation"])
def test_every_exported_name_has_a_place_in_the_pages(module: str) -> None:
    places = [name for page in library.PAGES for part in page.parts for name in part.names]
    assert len(places) == len(set(places))
    for name in importlib.import_module(module).__all__:
        assert f"{module}.{name}" in places, f"docs/library_pages.py does not place {module}.{name}"


def test_members_that_are_not_public_are_there() -> None:
    classes = {entry.short: entry.thing for entry in ENTRIES.values() if inspect.isclass(entry.thing)}
    for kind, names in library.NOT_PUBLIC.items():
        made = inspect.getsource(classes[kind])
        for name in names.split():
            assert hasattr(classes[kind], name) or f"self.{name} =" in made, f"{kind} has no {name}"


def test_what_is_private_is_on_no_page() -> None:
    lines = library.surface()
    assert any(line.startswith("qql.Session.execute(") for line in lines)
    assert not any(line.startswith(("qql.Session.backend", "qql.Session.facts")) for line in lines)
    assert not any(re.search(r"\._(?!_init__|_version__)", line.partition("(")[0]) for line in lines)


def test_the_page_of_stability_tells_of_what_is_deprecated() -> None:
    """Whoever deprecates the first name takes the sentence away, and says in its place what goes."""
    page = (DOCS / "stability.md").read_text(encoding="utf-8")
    modules = (ROOT / "qql").rglob("*.py")
    warned = [path.name for path in modules if "DeprecationWarning" in path.read_text(encoding="utf-8")]
    assert ("Nothing is deprecated today." in page) is not bool(warned), warned


def test_dir_shows_what_is_public() -> None:
    assert {*dir(qql)} == {*qql.__all__}


# ------------------------------------------------------------------------------------------- what words say


def test_every_public_name_has_words() -> None:
    constants = {"__version__", "evaluation.DEFAULT_MEASURES"}  # whose names say all
    assert {name for name, _, doc, _ in WORDS if not doc} <= constants


def raises(thing: Any) -> bool:
    """Whether a function has a ``raise`` of its own, or calls what raises for it."""
    function = getattr(thing, "__func__", getattr(thing, "fget", thing))
    if inspect.isclass(function):
        function = function.__dict__.get("__init__")
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError):
        return False
    called = re.compile(r"^(fail|\w*Error\.make)$")
    return any(
        isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and called.match(ast.unparse(node.func)))
        for node in ast.walk(ast.parse(source))
    )


def test_what_raises_says_so() -> None:
    """Builders and what measures are left out, but where they raise themselves: their page says it of all."""
    silent = []
    for name, thing, doc, entry in WORDS:
        read = isinstance(thing, library.ReadMethod)
        doc = f"{doc} {entry.doc()}" if read else doc
        if re.search(r"\b[Rr]aise[sd]?\b|^As `\w+", doc) or name in RAISE_NOTHING:
            continue
        called = read or inspect.isroutine(thing) or isinstance(thing, classmethod)
        if raises(thing) or (called and entry in OTHERS):
            silent.append(name)
    assert not silent, "these name no error; what raises none belongs into RAISE_NOTHING"


def test_what_is_said_to_raise_nothing_does_not() -> None:
    found = [(name, thing, doc) for name, thing, doc, _ in WORDS if name in RAISE_NOTHING]
    assert {name for name, _, _ in found} == RAISE_NOTHING
    assert not [name for name, thing, doc in found if raises(thing) or "Raises" in doc]


def test_a_function_that_raises_without_a_word_is_found() -> None:
    def silent() -> None:
        """Nothing is said."""
        raise ValueError

    def careful() -> None:
        """Raises nothing."""

    assert raises(silent) and not raises(careful)


def arguments(thing: Any, entry: Any) -> list[str]:
    function = thing.__func__ if isinstance(thing, classmethod) else thing
    if inspect.isclass(function):
        return [] if entry.is_alias else [field.partition(":")[0] for field in entry.fields()]
    if not inspect.isroutine(function):
        return []
    given = inspect.signature(function).parameters.values()
    return [one.name for one in given if one.name not in ("self", "cls", "values", "named")]


def with_those_it_names(doc: str, entry: Any) -> str:
    """A docstring, and those of the members that it is to be read with: ``Raises as `execute` does.``"""
    members = dict(entry.members())
    named = [members[name] for name in re.findall(r"\bas `(\w+)`", doc) if name in members]
    return " ".join([doc, *map(library.doc_of, named)])


def test_words_name_every_argument_and_field() -> None:
    """Those of builders are called as the clauses that they become."""
    unsaid = []
    for name, thing, doc, entry in WORDS:
        if entry in OTHERS and not re.match(r"As `|Nothing, as PEP 249", doc):
            said = with_those_it_names(doc, entry)
            given = {*arguments(thing, entry)} - SAY_ALL
            unsaid += [(name, one) for one in given if not re.search(rf"\b{one}\b", said)]
    assert not unsaid


def members_of(entry: Any) -> set[str]:
    fields = {field.partition(":")[0] for field in entry.fields()}
    return fields | {name for name, _ in entry.members()}


def test_words_point_to_public_names_only() -> None:
    known = {*OF_OTHERS, "qql.build", "nodes.Query"}
    for one in ENTRIES.values():
        known |= {one.name, one.short, one.name.removeprefix("qql.")}
        known |= {f"{one.short}.{member}" for member in members_of(one)}
    lost = []
    for name, _, doc, entry in WORDS:
        if entry.name.startswith("qql.evaluation."):
            continue
        own = {member for kind in getattr(entry.thing, "__mro__", ()) for member in vars(kind)}
        hidden = {member for names in library.NOT_PUBLIC.values() for member in names.split()}
        near = known | members_of(entry) | (own - hidden)
        module = entry.name.rpartition(".")[0]
        for target in re.findall(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)", doc):
            outside = target.partition(".")[0] in ("qdrant_client", "langchain_core")
            if not (outside or target in near or f"{module}.{target}" in near):
                lost.append((name, target))
    assert not lost, "these are on no page"


@pytest.mark.parametrize("page", library.PAGES, ids=[page.file for page in library.PAGES])
def test_words_of_signatures_are_explained(page: Any) -> None:
    assert library.unexplained(page) == set()


def test_markdown_of_a_docstring() -> None:
    doc = """A line with ``code``.

    >>> 1 + 1
    2

    Args:
        one: what it is,
            and more of it.
        two, three: others.
    """
    assert library.markdown(inspect.cleandoc(doc)) == (
        "A line with `code`.\n\n```python\n>>> 1 + 1\n2\n```\n\n"
        "**Arguments**\n\n* `one`: what it is,\n  and more of it.\n* `two`, `three`: others."
    )


def test_a_long_signature_has_a_line_for_each_parameter() -> None:
    text = f"f(one: dict[str, int] = {{}}, *, two: Callable[[int, str], None]) -> {'x' * 90}"
    assert library._folded(text).splitlines() == [
        "f(",
        "    one: dict[str, int] = {},",
        "    *,",
        "    two: Callable[[int, str], None],",
        f") -> {'x' * 90}",
    ]


BAD_DESCRIPTIONS: list[Any] = [
    *(1, None, {"config": 1}, {"vectors": 5}, {"config": {"params": 3}}),
    {"payload_schema": {"a": 1}},
]


def test_a_bad_description_of_a_collection_is_an_error_of_ours() -> None:
    for bad in (
        1,
        None,
        {"config": 1},
        {"vectors": 5},
        {"config": {"params": 3}},
        {"payload_schema": {"a": 1}},
    ):
        with pytest.raises(qql.QQLPlanError) as caught:
            qql.Schema.from_info(bad)
        assert caught.value.code == "wrong-schema" and "GET /collections" in str(caught.value.hint)
