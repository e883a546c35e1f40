"""What a figure depends on beside the statement: versions, machine, data. Without it nobody can repeat it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from qql import __version__
from qql.errors import QQLExecutionError
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.rest.types import JsonObject
from qql.schema import Schema

if TYPE_CHECKING:
    from qql.compiler.script import Compiled
    from qql.session.session import Session

__all__ = ["Machine", "Stamp", "installed", "machine", "stamp_of"]

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Machine:
    """``cores`` are those that this process may use; ``memory`` is in bytes, None where it is not told."""

    cpu: str
    cores: int
    memory: int | None
    system: str
    python: str

    def to_dict(self) -> JsonObject:
        """``{"cpu", "cores", "memory", "system", "python"}``."""
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "memory": self.memory,
            "system": self.system,
            "python": self.python,
        }

    def describe(self) -> str:
        """``Some CPU, 2 cores, 23.5 GiB``."""
        cores = f"{self.cores} core{'' if self.cores == 1 else 's'}"
        return ", ".join([self.cpu, cores, *([f"{self.memory / _GIB:.1f} GiB"] if self.memory else [])])


@dataclass(frozen=True, slots=True)
class Stamp:
    """Versions, machine and data of a measurement.

    ``engine`` is the one that answers, ``client`` the library that asks it (None: the engine is in this
    process); ``models`` are by name, each with what runs it; ``data`` is a directory, ``:memory:`` or an
    address (without what might be secret in it), ``points`` the number by collection.
    """

    qql: str
    engine: str
    client: str | None
    models: Mapping[str, str]
    machine: Machine
    data: str
    points: Mapping[str, int | None]

    def to_dict(self) -> JsonObject:
        """``{"qql", "engine", "client", "models", "machine", "data", "points"}``; see the class."""
        return {
            "qql": self.qql,
            "engine": self.engine,
            "client": self.client,
            "models": dict(self.models),
            "machine": self.machine.to_dict(),
            "data": self.data,
            "points": dict(self.points),
        }

    def lines(self) -> list[str]:
        """The same for people, in two lines."""
        client = f" by {self.client}" if self.client else ""
        known = (f"QQL {self.qql}", self.engine)  # they stand before the models
        models = ", ".join(name if by in known else f"{name} ({by})" for name, by in self.models.items())
        points = ", ".join(
            f"{name}: {count:,} points" for name, count in self.points.items() if count is not None
        )
        versions = f"QQL {self.qql}, {self.engine}{client}, Python {self.machine.python}"
        return [
            f"{versions}{f'; models: {models}' if models else ''}",
            f"{self.machine.describe()}; data: {self.data}{f', {points}' if points else ''}",
        ]


def stamp_of(session: Session, compiled: Iterable[Compiled]) -> Stamp:
    """The stamp of what statements give in a session. A server may be asked for its version."""
    statements = [part for one in compiled for part in one.branches or (one,)]
    collections = dict.fromkeys(
        str(one.plan.collection) for one in statements if one.plan is not None and one.plan.collection
    )
    engine, client = _engine_of(session)
    return Stamp(
        qql=__version__,
        engine=engine,
        client=client,
        models={_public_name(name): _runs(session, name, engine) for name in _models_of(statements)},
        machine=machine(),
        data=_place_of(session.target),
        points={name: _points_of(session, name) for name in collections},
    )


def _points_of(session: Session, collection: str) -> int | None:
    """How many points there are now: what the session knows may be from before they were written."""
    try:
        return Schema.from_info(session.ask(Request("GET", collection_path(collection)))).points
    except QQLExecutionError as exc:
        if exc.code != "unknown-collection":
            raise
        return None


def _engine_of(session: Session) -> tuple[str, str | None]:
    """The engine with its version, and the library that asks it."""
    backend = session.backend
    if backend.name == "edge":
        return f"qdrant-edge {installed('qdrant-edge-py')}", None
    client = f"qdrant-client {installed('qdrant-client')}"
    if backend.name == "local":
        return f"{client}, local mode", None
    if backend.name != "server":
        return backend.name, None
    from qql.backends.client import ClientBackend

    version = backend.server_version() if isinstance(backend, ClientBackend) else None
    return f"Qdrant {version or '(version unknown)'}", client


def _models_of(statements: Iterable[Compiled]) -> list[str]:
    """The models that texts of requests go through, and that rerank, each once."""
    from qql.rest.inference_objects import places_of

    found: dict[str, None] = {}
    for one in statements:
        for request in one.requests:
            found |= {str(name): None for place in places_of(request) if (name := place.object.get("model"))}
        second = one.plan.second if one.plan is not None else None
        if second is not None and second.model:
            found[second.model] = None
    return [*found]


def _runs(session: Session, model: str, engine: str) -> str:
    """What runs a model, with its version."""
    from qql.compiler.model_names import FASTEMBED, hash_size, is_url
    from qql.rest.limits import BM25

    if session.backend.infers(model):
        return engine
    if is_url(model) or model.partition("/")[0] in _SERVICES:
        return "a service"
    if hash_size(model) is not None or model.startswith("local/"):
        return f"QQL {__version__}"
    if model.lower() == BM25:
        return f"qdrant-edge {installed('qdrant-edge-py')}"
    named = model.removeprefix(FASTEMBED)
    return f"fastembed {found}" if "/" in named and (found := installed("fastembed")) else "the application"


_SERVICES = {"openai", "cohere", "jina", "voyage", "tei"}


def _public_name(model: str) -> str:
    """The name of a model without what might be secret in its address."""
    from qql.compiler.model_names import is_url
    from qql.rest.addresses import public_url

    if not is_url(model):
        return model
    address, sign, name = model.partition("#")
    return f"{public_url(address)}{sign}{name}"


def _place_of(target: str) -> str:
    from qql.rest.addresses import public_url

    if "://" in target:
        return public_url(target)
    return target if target in ("", ":memory:") else str(Path(target).absolute())


def installed(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def machine() -> Machine:
    """This machine, without its name."""
    can = getattr(os, "sched_getaffinity", None)
    cores = len(can(0)) if can is not None else os.cpu_count() or 1
    python = ".".join(map(str, sys.version_info[:3]))
    return Machine(_cpu(), cores, _memory(), platform.system(), python)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None
