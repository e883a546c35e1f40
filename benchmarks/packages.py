"""Trees as their wheels hold them: what is measured is what users install, with the parser's tables."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

__all__ = ["ROOT", "packaged"]

ROOT = Path(__file__).resolve().parent.parent


def packaged(source: Path, place: Path) -> Path:
    """The package of a tree as its wheel holds it, unpacked in ``place``; ends the program without one."""
    built = place / "dist"
    # Of the tree's files alone: an installed QQL must not help to build another one.
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"no wheel of {source}: {done.stderr.strip()}")
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "package")
    return place / "package"
