"""What the text of statements may reach beside the database: files, addresses, models.

A session has one `External`, which its caller gave, and asks it before anything is opened. Text that the
caller writes is trusted, unless the session is ``safe``: then it reaches only what was allowed. What did not
come from the caller, an address that a collection's metadata has, is never trusted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from qql import nodes
from qql.allowed import Allowed, holds_host, host_of
from qql.compiler.model_names import FASTEMBED, full_name, is_url
from qql.compiler.named_models import has_open_model, model_of, models_in
from qql.errors import Diagnostic, QQLRefusedError, Span
from qql.nodes.core import walk
from qql.rest.limits import BM25
from qql.session.files import from_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.script import Compiled

__all__ = ["PATHS", "External"]

PATHS: dict[type[nodes.Node], tuple[str, str]] = {
    nodes.Copy: ("path", "reads a file"),
    nodes.VectorFile: ("path", "reads a file"),
    nodes.CopyTo: ("path", "writes a file"),
    nodes.Dump: ("path", "writes a file"),
    nodes.Execute: ("path", "reads a file"),
    nodes.RestoreSnapshot: ("snapshot", "reads a file"),
    nodes.Image: ("image", "reads a file"),
}
"""Nodes that name a file or an address → the field that has it, and what is done with it."""
_HOW = "`allow=` of connect, or behind --allow"
_NEEDS_NOTHING = ("local/", BM25)
"""Models that are in the program: no file is read and no address called for them."""


_NOTHING = Allowed()


class External:
    """What the text of a session's statements may reach. ``safe``: nothing but what is ``allowed``; otherwise
    all that the caller writes. ``own`` are names and addresses of models that the caller has given.
    """

    def __init__(self, allowed: Allowed = _NOTHING, *, safe: bool = False, own: Iterable[str] = ()) -> None:
        self.safe = safe
        self.allowed = allowed
        self._own: set[str] = set()
        for one in own:
            self._trust(one)

    def with_models(self, models: Iterable[str]) -> External:
        """The same for another session, whose caller has given ``models`` too."""
        return External(self.allowed, safe=self.safe, own=[*self._own, *models])

    def _trust(self, model: str) -> None:
        self._own |= {model, full_name(model)}

    # -- what statements name

    def require(self, statements: Iterable[Compiled], infers: Callable[[str], bool]) -> None:
        """Raises `QQLRefusedError` (``no-access``) for all that statements name and that is not allowed.

        ``infers`` says which models are the server's own.
        """
        if not self.safe:
            return
        refused = [one for each in statements for one in self._refused(each, infers)]
        if refused:
            raise QQLRefusedError(*refused)

    def _refused(self, compiled: Compiled, infers: Callable[[str], bool]) -> Iterator[Diagnostic]:
        for node in walk(compiled.statement):  # with the values of its parameters, which name files, too
            try:
                if type(node) in PATHS:
                    self.require_path(node)
                for model, span in model_of(node):
                    if not infers(full_name(model)):
                        self.require_model(model, span)
            except QQLRefusedError as exc:
                yield exc.diagnostic.at(compiled.source, compiled.span)

    def require_path(self, node: nodes.Node) -> None:
        """Raises `QQLRefusedError` (``no-access``) for a node of `PATHS` that names what is not allowed."""
        if not self.safe:
            return
        field, does = PATHS[type(node)]
        scalar = getattr(node, field)
        value = getattr(scalar, "value", None)
        if not isinstance(value, str):
            return  # it is an error that the compiler tells, or a parameter that has no value yet
        words = nodes.STATEMENTS[type(node)].words if type(node) in nodes.STATEMENTS else type(node).__name__
        if isinstance(node, nodes.RestoreSnapshot) and _is_plain_name(value):
            return  # a snapshot that the engine keeps
        if isinstance(node, nodes.Image) and value.lower().startswith("data:"):
            return  # the image itself
        if "://" in value and not value.lower().startswith("file:"):
            self._require_host(value, f"{words} calls an address", scalar.span)
            return
        path = value
        if value.lower().startswith("file:"):
            from urllib.parse import urlsplit
            from urllib.request import url2pathname

            path = url2pathname(urlsplit(value).path)
        if not self._holds(path):
            real = _real(path)
            folder = "DIR" if real is None else real.rpartition(os.sep)[0] or os.sep
            hint = f"what allows it: `folder:{folder}` in {_HOW}"
            message = f"{words} {does}, and this session may not reach {value!r:.80}"
            raise QQLRefusedError(Diagnostic("no-access", message, scalar.span, hint))

    def _holds(self, path: str) -> bool:
        """Whether a file lies in an allowed folder, wherever links on its way lead."""
        real = _real(path)
        return real is not None and any(
            real == one or real.startswith(one.rstrip(os.sep) + os.sep) for one in self.allowed.folders
        )

    # -- models

    def note(self, statements: Iterable[Compiled]) -> None:
        """Has the addresses of models that the caller's own statements name count as given by the caller."""
        if self.safe:
            return
        for one in statements:
            for model in models_in(one.statement if has_open_model(one.written) else one.written):
                self._trust(model)

    def require_model(self, model: str, span: Span | None = None) -> None:
        """Raises `QQLRefusedError` (``no-access``) for a model that may not be used.

        In any session those are addresses that the caller has not written, as they stand in the metadata of a
        collection; in a ``safe`` one all that reads files or calls an address.
        """
        if model in self._own or self._allows(model):
            return
        name = model.removeprefix(FASTEMBED)
        if is_url(name[name.find("http") :] if "+" in name else name):
            self._require_host(model[model.find("http") :], f"the model {model!r:.80} is an address", span)
        elif self.safe and not name.lower().startswith(_NEEDS_NOTHING):
            hint = f"what allows it: `model:{model}` in {_HOW}"
            message = f"this session may not use the model {model!r:.80}"
            raise QQLRefusedError(Diagnostic("no-access", message, span, hint))

    def _allows(self, model: str) -> bool:
        if not self.allowed.models:
            return False
        from fnmatch import fnmatchcase

        return any(fnmatchcase(model.lower(), one.lower()) for one in self.allowed.models)

    def _require_host(self, address: str, what: str, span: Span | None = None) -> None:
        if holds_host(self.allowed, address):
            return
        host, _ = host_of(address)
        why = "this session may not reach it" if self.safe else "nobody here has named it"
        hint = f"what allows it: `host:{host or 'NAME'}` in {_HOW}"
        raise QQLRefusedError(Diagnostic("no-access", f"{what}, and {why}", span, hint))


def _real(path: str) -> str | None:
    """A path without links; None for what is none: one with a NUL, or of the home of nobody."""
    try:
        return os.path.realpath(from_home(path))
    except (OSError, ValueError, RuntimeError):
        return None


def _is_plain_name(location: str) -> bool:
    return not any(sign in location for sign in "/\\\0") and location not in ("", ".", "..")
