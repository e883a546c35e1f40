"""Where the key of a profile comes from: the file itself, a variable, a file, the keyring, or a command."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping

from qql.cli.usage import UsageError
from qql.records import dataclass
from qql.session.files import read_utf8, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from qql.errors import QQLError

__all__ = ["KEYRING_SERVICE", "WAYS", "KeySource"]

KEYRING_SERVICE = "qql"
"""The service in the keyring where ``api_key_keyring`` names none."""
_PATIENCE = 30  # seconds that a command has


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a key comes from: the ``way``, and what it takes, which of a command is a list of words.

    ``repr`` shows no key.
    """

    way: str
    value: str | tuple[str, ...]

    def __repr__(self) -> str:
        return f"KeySource({self.way})"

    def read(self, profile: str) -> str:
        """The key. Raises `UsageError` (``no-key``) where there is none."""
        key = WAYS[self.way](self, profile).strip()
        if not key or len(key.splitlines()) > 1:
            found = "several lines" if key else "nothing"
            _no_key(profile, f"{self.told()} gives {found}", "it gives the key alone")
        return key

    def told(self) -> str:
        """Where it comes from, for people; a key that stands in the file is not shown."""
        match self.way:
            case "env":
                return f"the variable {self.value}"
            case "file":
                return f"the file {self.value}"
            case "keyring":
                return f"the keyring ({'/'.join(_entry(str(self.value)))})"
            case "command":
                return f"the command {self.words[0]}"
        return "config.toml"

    @property
    def words(self) -> tuple[str, ...]:
        """The words of a command."""
        return self.value if isinstance(self.value, tuple) else tuple(shlex.split(self.value))


def _no_key(profile: str, message: str, hint: str | None = None) -> NoReturn:
    raise UsageError.make("no-key", f"profile {profile}: {message}", hint=hint)


def _plain(source: KeySource, profile: str) -> str:
    return str(source.value)


def _of_environment(source: KeySource, profile: str) -> str:
    name = str(source.value)
    if not os.environ.get(name):
        _no_key(profile, f"the variable {name} is not set", f"export {name}=…")
    return os.environ[name]


def _of_file(source: KeySource, profile: str) -> str:
    path = str(source.value)

    def unreadable(exc: Exception) -> QQLError:
        return UsageError.make("no-key", f"profile {profile}: cannot read {path}: {reason(exc)}")

    def not_text(raw: bytes, offset: int) -> QQLError:
        return UsageError.make("no-key", f"profile {profile}: {path} holds no key: it is not text")

    return read_utf8(path, unreadable=unreadable, not_text=not_text, streams=True)


def _entry(value: str) -> tuple[str, str]:
    """The service and the user in the keyring: ``SERVICE/USER``, or the user alone."""
    service, slash, user = value.rpartition("/")
    return (service, user) if slash else (KEYRING_SERVICE, value)


def _of_keyring(source: KeySource, profile: str) -> str:
    from importlib import import_module

    service, user = _entry(str(source.value))
    try:
        keyring = import_module("keyring")
    except ImportError:
        _no_key(profile, "the package keyring is not installed", "pip install 'qql-lang[keyring]'")
    try:
        key = keyring.get_password(service, user)
    except Exception as exc:  # of a locked keyring, of one that is not there: each has its own
        _no_key(profile, f"the keyring gives no key: {type(exc).__name__}: {exc}")
    if not key:
        words = shlex.join(["keyring", "set", service, user])
        _no_key(profile, f"the keyring has no entry {service}/{user}", words)
    return str(key)


def _of_command(source: KeySource, profile: str) -> str:
    """What a command prints. It is no shell; what it asks for, it asks on the terminal."""
    words = source.words
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except (OSError, ValueError) as exc:
        _no_key(profile, f"cannot run {words[0]}: {reason(exc)}", "it is no shell: `~` and `|` mean nothing")
    try:
        out, _ = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        _no_key(profile, f"{words[0]} has not ended after {_PATIENCE} s")
    finally:  # also after Ctrl-C; what it has started itself may hold the pipe, and is not waited for
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode:
        _no_key(profile, f"{words[0]} ended with exit code {process.returncode}", shlex.join(words))
    try:
        return out.decode()
    except UnicodeDecodeError:
        _no_key(profile, f"what {words[0]} prints is not UTF-8 text")


WAYS: Mapping[str, Callable[[KeySource, str], str]] = {
    "": _plain,
    "env": _of_environment,
    "file": _of_file,
    "keyring": _of_keyring,
    "command": _of_command,
}
"""What reads a key, by the ending of its setting: ``api_key_env``; ``api_key`` alone is the key itself."""
