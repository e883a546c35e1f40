"""What engineers rely on: the lock file fits pyproject.toml, and CONTRIBUTING.md names only what exists."""

from __future__ import annotations

import re
import tomllib

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from thinned import ONE_OF

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def locked() -> dict[str, list[tuple[Requirement, list[str]]]]:
    """Package → its entries (several where markers choose a version), each with its hashes."""
    found: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for entry in re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", LOCK, flags=re.MULTILINE).strip()):
        pin, *hashes = (part.strip() for part in entry.replace("\\\n", "\n").split("\n"))
        requirement = Requirement(pin)
        found.setdefault(canonicalize_name(requirement.name), []).append((requirement, hashes))
    return found


def wanted() -> list[str]:
    project = PYPROJECT["project"]
    # Frameworks, OpenTelemetry and Optuna have an environment of their own (`make integrations`).
    frameworks = {"langchain", "llama-index", "haystack", "otel", "optuna", "keyring", "all"}
    extras = [those for name, those in project["optional-dependencies"].items() if name not in frameworks]
    return [*PYPROJECT["build-system"]["requires"], *project["dependencies"], *(d for e in extras for d in e)]


@pytest.mark.parametrize("dependency", sorted(set(wanted())))
def test_the_lock_file_has_every_dependency(dependency: str) -> None:
    needs = Requirement(dependency)
    entries = locked().get(canonicalize_name(needs.name))
    assert entries, f"`make lock UPGRADE=` adds {needs.name}"
    for entry, _ in entries:
        [pin] = entry.specifier
        assert needs.specifier.contains(pin.version), f"{entry} is not what pyproject.toml wants: {needs}"


def test_the_lock_file_is_versions_and_hashes_and_no_addresses() -> None:
    for entries in locked().values():
        for requirement, hashes in entries:
            assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), (
                f"{requirement} is not one version"
            )
            assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), (
                requirement
            )
            assert requirement.url is None
    assert "://" not in LOCK
    assert not re.search(r"^-", LOCK, re.MULTILINE), "the lock file has an option of pip"


def test_hooks_are_the_environments_own_programs() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", text) == ["local"]
    entries = re.findall(r"entry: \.venv/bin/(\S+)", text)
    assert set(entries) == {"ruff", "mypy"} <= set(locked())
    assert len(entries) == text.count("entry:") == text.count("language: system")


def test_make_and_the_page_for_contributors_agree() -> None:
    spans = re.findall(r"`[^`]+`|^    .+$", PAGE, re.MULTILINE)
    named = {target for span in spans for target in re.findall(r"\bmake ([a-z-]+)", span)}
    assert named == TARGETS, "targets that only one of the two has"
    phony = re.search(r"^\.PHONY:(.*)$", MAKEFILE, re.MULTILINE)
    assert phony and set(phony[1].split()) == TARGETS


def test_ci_begins_with_the_command_of_the_readme() -> None:
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    [first, *others] = [line for line in commands if line.startswith("make ")]
    assert first.startswith("make test")
    assert {line.split()[1] for line in others} == {
        "soak",
        "lint",
        "types",
        "wheel",
        "integrations",
        "alone",
        "lowest",
    }


def test_files_named_for_contributors_exist() -> None:
    for name in re.findall(
        r"`((?:qql|grammar|tests|examples|benchmarks|docs|requirements)/[\w./*-]*)`", PAGE
    ):
        if "CODE" not in name and "NAME" not in name:
            assert list(ROOT.glob(name)), f"CONTRIBUTING.md names {name}"


def test_names_in_recipes_exist() -> None:
    """A registry, a function, a test that a recipe names is somewhere in the code."""
    code = [path for room in ("qql", "tests") for path in (ROOT / room).rglob("*.py")]
    words = {word for path in code for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    recipes = PAGE[PAGE.index("## Recipes") :]
    names = set(re.findall(r"`@?(\w+)`", recipes)) | set(re.findall(r"`@(\w+)\(", recipes))
    assert names and names <= words, f"nothing is called {', '.join(sorted(names - words))}"


def test_lines_for_contributors_fit() -> None:
    assert [line for line in PAGE.splitlines() if len(line) > 120] == []


def test_every_test_that_is_thinned_exists() -> None:
    for name in ONE_OF:
        file, _, test = name.partition("::")
        assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), name
