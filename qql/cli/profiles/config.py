"""`config.toml`: the profiles in it, each setting checked. What is wrong has its line; no value is shown."""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping

from qql.cli.commands.options import KEYS, OPTIONS, PROFILE, SERVER
from qql.cli.profiles.key_sources import WAYS, KeySource
from qql.cli.profiles.profile import COLORS, Profile
from qql.cli.profiles.toml_places import place_of, without_values
from qql.cli.usage import UsageError
from qql.errors import Diagnostic, QQLError, QQLRefusedError, Source, Span, did_you_mean, shown
from qql.late import late_pattern
from qql.session.files import from_home, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["KEY_SETTINGS", "config_file", "find_profile", "read_profiles"]

KEY_SETTINGS = {f"{key}_{way}" if way else key: (key, way) for key in KEYS for way in WAYS}
"""The settings that say where a key comes from: the option of the key, and the way."""
_OWN = ("protected", "prompt_color")
_KNOWN = (*PROFILE, *KEY_SETTINGS, *_OWN)
_FOR_OTHERS = 0o077
_MOST_BYTES = 1 << 20
_LINE = late_pattern(r" \(at line (\d+), column (\d+)\)$")
_PASSWORD = late_pattern(r"://[^/@]*:[^/@]*@")


def config_file() -> str:
    """The file with the profiles: that of QQL_CONFIG, or one in the user's directory of settings.

    Raises `UsageError` where there is no such user.
    """
    named = os.environ.get("QQL_CONFIG")
    if named:
        try:
            return from_home(named)
        except RuntimeError as exc:
            raise UsageError.make("file-unreadable", f"cannot read {named}: {reason(exc)}") from exc
    from qql.missing import needed_for

    with needed_for("a profile", instead="QQL_CONFIG names a file", error=UsageError):
        from platformdirs import user_config_path

    return str(user_config_path("qql", appauthor=False) / "config.toml")


def find_profile(name: str) -> Profile:
    """The profile of this name. Raises as `read_profiles`, and `UsageError` (``unknown-profile``)."""
    profiles = read_profiles()
    if name in profiles:
        return profiles[name]
    path = config_file()
    if not profiles:
        hint = f'write [profiles.{name}] and url = "https://…" into it; QQL_CONFIG names another file'
        where = f"{path} has no profiles" if os.path.exists(path) else f"{path} does not exist"  # noqa: PTH110
        raise UsageError.make("unknown-profile", f"there is no profile {name}: {where}", hint=hint)
    hint = did_you_mean(name, profiles) or f"there are {', '.join(profiles)}"
    raise UsageError.make("unknown-profile", f"there is no profile {name} in {path}", hint=hint)


def read_profiles() -> dict[str, Profile]:
    """The profiles of the file by their names; none where there is no file.

    Raises `UsageError` with all that is wrong in it (``invalid-config``, ``unknown-setting``), and
    `QQLRefusedError` (``config-open``) where others can read a key or a command in it.
    """
    path = config_file()
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as in `read_utf8`
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise UsageError.make("file-unreadable", f"cannot read {path}: {reason(exc)}") from exc
    if len(raw) > _MOST_BYTES:
        raise UsageError.make("file-unreadable", f"cannot read {path}: it has more than 1 MiB")
    text, tables = _tables(raw, path)
    source = without_values(text, path)
    faults: list[Diagnostic] = []
    profiles = {name: _profile(name, table, source, faults) for name, table in _profiles_in(tables, source)}
    if faults:
        raise UsageError(*faults)
    _require_private(profiles.values(), mode, path)
    return profiles


def _tables(raw: bytes, path: str) -> tuple[str, dict[str, Any]]:
    try:
        text = raw.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except UnicodeDecodeError:
        raise UsageError.make("invalid-config", f"{path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as exc:  # its words have a place, and no value
        where = _LINE.search(str(exc))
        source = without_values(text, path)
        before = int(where[1]) - 1 if where else text.rstrip().count("\n")
        start = sum(len(line) + 1 for line in source.text.split("\n")[:before])
        span = Span(start, start + 1)
        raise UsageError(_fault(str(exc), source, span, code="invalid-config")) from None
    except RecursionError:
        raise UsageError.make("invalid-config", f"{path} is nested too deeply") from None


def _fault(
    message: str, source: Source, span: Span | None, hint: str | None = None, code: str = "invalid-config"
) -> Diagnostic:
    where = "" if span is not None else f"{source.name}: "
    return Diagnostic(code, f"{where}{message}", span, hint, source=source)


def _profiles_in(tables: Mapping[str, Any], source: Source) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in tables:
        if name != "profiles":
            hint = did_you_mean(name, ("profiles",)) or "a profile is a table [profiles.NAME]"
            message = f"there is no setting {name}"
            raise UsageError(_fault(message, source, place_of(source, (name,)), hint, "unknown-setting"))
    found = tables.get("profiles", {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        message = "each profile is a table"
        raise UsageError(_fault(message, source, place_of(source, ("profiles",)), "as in [profiles.prod]"))
    yield from found.items()


def _profile(name: str, table: Mapping[str, Any], source: Source, faults: list[Diagnostic]) -> Profile:
    """The profile of a table. What is wrong goes to ``faults``."""
    settings: dict[str, object] = {}
    keys: dict[str, KeySource] = {}
    own: dict[str, Any] = {}
    for setting, value in table.items():
        span = place_of(source, ("profiles", name, setting))
        try:
            if setting in KEY_SETTINGS:
                key, way = KEY_SETTINGS[setting]
                if key in keys:
                    raise _Fault(f"profile {name} says twice where its {key} comes from", "leave one out")
                keys[key] = _key_source(setting, way, value)
            elif setting in _OWN:
                own[setting] = _own(setting, value)
            elif setting in PROFILE:
                settings |= _setting(setting, value)
            else:
                hint = did_you_mean(setting, _KNOWN) or f"there are {', '.join(_KNOWN)}"
                raise _Fault(f"a profile has no setting {setting}", hint, "unknown-setting")
        except _Fault as fault:
            faults.append(_fault(fault.message, source, span, fault.hint, fault.code))
    if "db" in settings:
        for setting in table:
            if setting == "url" or KEY_SETTINGS.get(setting, (setting, ""))[0] in SERVER:
                span = place_of(source, ("profiles", name, setting))
                faults.append(_fault(f"{setting} and db exclude each other", source, span))
    return Profile(name, settings, keys, **own)


class _Fault(Exception):
    """A setting that is not as it should be."""

    def __init__(self, message: str, hint: str | None = None, code: str = "invalid-config") -> None:
        self.message, self.hint, self.code = message, hint, code


def _require(setting: str, value: object, kind: type | tuple[type, ...], what: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _Fault(f"{setting} requires {what}")


def _key_source(setting: str, way: str, value: object) -> KeySource:
    if way == "command" and isinstance(value, list):
        if not value or not all(isinstance(one, str) for one in value):
            raise _Fault(f"{setting} requires the words of a command, each a text")
        return KeySource(way, tuple(value))
    _require(setting, value, str, "a text, or a list of texts" if way == "command" else "a text")
    source = KeySource(way, str(value).strip())
    try:
        if not source.value or (way == "command" and not source.words):
            raise _Fault(f"{setting} is empty")
    except ValueError:  # a quote that is open
        raise _Fault(f"{setting} has a quote that is not closed") from None
    return source


def _own(setting: str, value: object) -> object:
    if setting == "protected":
        _require(setting, value, bool, "true or false")
    elif value not in COLORS:
        hint = did_you_mean(str(value), COLORS) or f"the colours are {', '.join(COLORS)}"
        raise _Fault(f"{setting} requires a colour, found {shown(value)}", hint)
    return value


def _setting(setting: str, value: Any) -> dict[str, object]:
    """The value of an option, as the command line would have it; nothing where it is that without it."""
    if setting == "format":
        return {setting: _format(value)}
    given = OPTIONS[setting].settings
    action = given.get("action", "store")
    if action in ("store_true", "store_false"):
        _require(setting, value, bool, "true or false")
        return {setting: value} if value == (action == "store_true") else {}
    if isinstance(action, type):
        taken: object = {}
        pairs = [f"{name}={one}" for name, one in value.items()] if isinstance(value, dict) else [value]
        collector = action()
        for one in pairs:
            _require(setting, one, str, "a text, or a table of texts")
            taken = _read(setting, collector.take, one)
        return {setting: taken}
    if "type" in given:
        _require(setting, value, (int, float, str), "a number or a text")
        return {setting: _read(setting, given["type"], str(value))}
    _require(setting, value, str, "a text")
    if not value.strip():
        raise _Fault(f"{setting} is empty")
    return {setting: value}


def _read(setting: str, reader: Any, text: str) -> object:
    try:
        return reader(text)
    except Exception as exc:  # what argparse would show of it
        raise _Fault(f"{setting}: {exc}") from None


def _format(value: object) -> object:
    from qql.cli.render.formats import FORMATS

    if value not in FORMATS:
        hint = did_you_mean(str(value), FORMATS) or f"the formats are {', '.join(FORMATS)}"
        raise _Fault(f"there is no format {shown(value)}", hint)
    return value


def _require_private(profiles: Any, mode: int, path: str) -> None:
    """Raises `QQLRefusedError` where others can read a file with a key, a password or a command in it."""
    if os.name != "posix" or not stat.S_ISREG(mode) or not mode & _FOR_OTHERS:
        return
    for profile in profiles:
        ways = [source.way for source in profile.keys.values()]
        held = "a command" if "command" in ways else "a key" if "" in ways else None
        if held is None and any(_PASSWORD.search(str(value)) for value in profile.settings.values()):
            held = "a password"
        if held is not None:
            raise _open_to_others(held, profile.name, path)


def _open_to_others(held: str, profile: str, path: str) -> QQLError:
    message = f"others can read {path}, and profile {profile} in it has {held}"
    return QQLRefusedError.make("config-open", message, hint=shlex.join(["chmod", "600", path]))
