"""Lines of the prompt that its history does not keep: those with a key, a password or a token in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qql.late import late_pattern

__all__ = ["holds_secret"]

_LONG = 8  # characters of a key that is looked for; a shorter one might be a word of any statement
_NAME = late_pattern(r"key|token|secret|passw|pwd|auth|credential|cookie", re.I)
_TOKEN = late_pattern(r"(?=\S*[0-9])(?=\S*[A-Za-z])[\w+/=.~-]{16,}")
_SET = late_pattern(r"^\s*\\(?:set|param)\s+:?(\S+)\s+(?:text\s+)?(.+?)[;\s]*$", re.M)
_CONNECT = late_pattern(r"^\s*\\c\s.*@", re.M)
_ANYWHERE = late_pattern(
    r"://\S*@"  # an address with a user part
    r"|[?&;#][\w-]*(?:key|token|secret|signature|credential|passw|sig)[\w-]*="  # or with a key behind it
    r"|api[_-]?key\b['\"]?\s*[=:]"  # an option, a header
    r"|--[\w-]*(?:key|token|secret|password)[\s=]"  # an option of a command
    r"|(?:passw(?:or)?d|passphrase|(?:access|auth|refresh|bearer|secret|private|client|session)[_-]?"
    r"(?:key|token|secret))\b['\"]?\s*[=:]"
    r"|\bauthorization\b['\"]?\s*[=:]|\bbearer\s+\S"
    r"|(?-i:\b[A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)=)"  # a variable of the environment
    r"|(?-i:\b(?:sk|pk|rk)[-_](?:\w+[-_])*[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bhf_[A-Za-z0-9]{20,}"
    r"|\bxox[abeoprs]-[\w-]{10,}|\bAKIA[A-Z0-9]{12,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"  # keys of services
    r"|-----BEGIN [A-Z ]*PRIVATE KEY",
    re.I,
)


def holds_secret(text: str, keys: Iterable[str] = ()) -> bool:
    """Whether there may be a secret in what was typed: ``keys`` are those that are known."""
    known = any(key in text for key in keys if len(key) >= _LONG)
    if known or _ANYWHERE.search(text) or _CONNECT.search(text):
        return True
    pairs = [(name, value.strip("'\"")) for name, value in _SET.findall(text)]
    return any(_NAME.search(name) or _TOKEN.fullmatch(value) for name, value in pairs)
