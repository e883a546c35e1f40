"""Puts the parser's tables into the wheel, so that nobody has to build them; and the man page."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TablesHook(BuildHookInterface):
    """Builds the tables of `grammar/qql.lark` for a wheel; an editable install builds them as it runs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        try:
            from qql.cli.man_page import man_page
            from qql.syntax.lalr import PACKED, build, packed

            page = man_page()
        finally:
            sys.path.remove(self.root)
        grammar = (Path(self.root) / "grammar" / "qql.lark").read_text(encoding="utf-8")
        self.folder = tempfile.TemporaryDirectory()
        target = Path(self.folder.name) / PACKED
        target.write_bytes(packed(build(grammar)))
        build_data["force_include"][str(target)] = f"qql/{PACKED}"
        manual = Path(self.folder.name) / "qql.1"
        manual.write_text(page, encoding="ascii")
        build_data["shared_data"][str(manual)] = "share/man/man1/qql.1"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()
