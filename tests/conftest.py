"""Options and fixtures that every test may use."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from thinned import ONE_OF

if TYPE_CHECKING:
    from fake_server import FakeServer

ROOT = Path(__file__).parent.parent
_ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "0"))  # `make soak` sets it
_PART = int(os.environ.get("QQL_SOAK_PART", "1"))  # CI takes one of so many parts of the examples


# Whatever the environment says: workers and their children, many of which start a command, would each compile
# all modules.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


_IN_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30


def _temporary_in_memory() -> None:
    """Puts what is temporary into memory, where there is room: two fifths of the time were waits for a disk.

    Each embedded database is written to its disk many times. TMPDIR, where it is set, is left alone.
    """
    if "TMPDIR" in os.environ or not os.access(_IN_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(_IN_MEMORY).free >= _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)  # pytest has asked for it already


_temporary_in_memory()


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """A folder on the disk of this checkout, for what a disk does otherwise than memory."""
    above = ROOT / "build" / "tests"
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=above) as folder:
        yield Path(folder)


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """`folder_on_disk` for one test."""
    with folder_on_disk() as folder:
        yield folder


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays until the end: to look for garbage in it takes a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what `thinned.ONE_OF` leaves to the soak."""
    quick: Counter[str] = Counter()
    for item in items:
        name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
        if name in ONE_OF and item.get_closest_marker("slow") is None:
            if quick[name] % ONE_OF[name]:
                item.add_marker(pytest.mark.slow)
            quick[name] += 1


def spoil(value: object) -> None:
    """Changes all that can be changed about a request's body: what comes after must not see it."""
    if isinstance(value, dict):
        for one in value.values():
            spoil(one)
        value["spoilt"] = True
    elif isinstance(value, list):
        for one in value:
            spoil(one)
        value.append("spoilt")


def examples(number: int) -> int:
    """How many examples a property is tried with: an eighth of ``number``, but in a soak all, and more; in
    that of CI, a part of them.
    """
    return max(10, max(number, number * _ROUNDS // 2) // _PART if _ROUNDS else number // 8)


@pytest.fixture(scope="session", autouse=True)
def certificates_are_read_once() -> Iterator[None]:
    """Each HTTP client reads all of them, which takes longer than what most tests do with the client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_passes_between_tries() -> Iterator[None]:
    """What is sent again is sent at once: `tests/test_retries.py` has a clock of its own."""
    from qql.backends.client import retries

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retries, "sleep", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_width_is_set() -> Iterator[None]:
    """The workers of pytest-xdist have COLUMNS set, and output to a pipe is as wide as that says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch, schema_is_shared: None) -> None:
    """Servers of this machine are spoken to directly."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@pytest.fixture(scope="session")
def schema_is_shared() -> Iterator[None]:
    """Each Qdrant client copies the schema of all of its models, which no test changes."""
    from qdrant_client.embed import schema_parser

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema_parser, "deepcopy", lambda schema: schema)
        yield


@pytest.fixture
def fake_server(
    monkeypatch: pytest.MonkeyPatch, schema_is_shared: None
) -> Iterator[Callable[..., FakeServer]]:
    """Makes Qdrant servers of any version in the process; takes what `FakeServer` takes."""
    from fake_server import FakeServer

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    with ExitStack() as running:
        yield lambda *args, **options: running.enter_context(FakeServer(*args, **options))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the golden files from what comes out now")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))
