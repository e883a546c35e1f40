r"""``\l``, ``\d``, ``\di``, ``\dv``, ``\ds``, ``\optimize``: what there is in the database."""

from __future__ import annotations

from qql.cli.backslash.connection import require_collection
from qql.cli.backslash.table import command
from qql.cli.render import FOR_PEOPLE, sanitize
from qql.cli.usage import UsageError
from qql.errors import QQLConnectionError, QQLError
from qql.rest.types import JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

_GROUP = "What there is"


@command("\\l", group=_GROUP)
def list_collections(shell: Shell, argument: str) -> None:
    """List the collections with points and disk size.

    A server does not say what a collection takes on its disk.
    """
    from qql.cli.backslash.described import described

    rows: list[JsonObject] = []
    shown = shell.ask("SHOW COLLECTIONS", name=r"\l")
    for name in shell.session.collections():
        row: JsonObject = {"collection": name}
        try:
            found = described(shell.session, name)
        except QQLError as exc:  # one that is damaged hides none of the others
            if isinstance(exc, QQLConnectionError) and exc.code != "database-corrupt":
                raise
            rows.append({**row, "points": None, "vectors": None, "indexes": None, "status": exc.code})
            continue
        row |= {"points": found.points, "vectors": len(found.vectors), "indexes": len(found.indexes)}
        row["status"] = found.status
        if found.disk is not None:
            row["disk"] = found.disk_text() if shell.renderer.format in FOR_PEOPLE else found.disk
        rows.append(row)
    shell.show_rows(rows, shown.warnings)


@command("\\d", argument="[COLLECTION]", group=_GROUP)
def describe(shell: Shell, argument: str) -> None:
    r"""Describe a collection.

    It shows its vectors with roles, sizes, distances and models, its indexes, its points and its size on the
    disk. The payload fields are those that were seen in a sample of at most 200 points (all of them in a
    small collection), each with the types of its values and the share of the points that have it. Without an
    argument it lists the collections, as `\l` does.
    """
    if not argument:
        list_collections(shell, "")
        return
    from qql.cli.backslash.described import described, sections_of

    require_collection(shell, argument)
    found = described(shell.session, argument, fields=True)
    if shell.renderer.format not in FOR_PEOPLE:
        shell.show_rows([found.to_dict()])
        return
    for title, rows in sections_of(found):
        shell.renderer.put_text(sanitize(title))
        if rows:
            shell.show_rows(rows)


def _chosen(shell: Shell, argument: str) -> list[str]:
    """The collection that is named, or all of them. Raises `UsageError`."""
    if not argument:
        return shell.session.collections()
    require_collection(shell, argument)
    return [argument]


@command("\\di", argument="[COLLECTION]", group=_GROUP)
def list_indexes(shell: Shell, argument: str) -> None:
    """List payload indexes, of all collections or of one."""
    from qql.cli.backslash.described import readable

    rows: list[JsonObject] = []
    for name in _chosen(shell, argument):
        found = shell.ask("SHOW INDEXES ON IDENTIFIER(:name)", {"name": name}, name=r"\di")
        rows += [{"collection": name, **row} for row in found.rows]
    shell.show_rows(readable(rows) if shell.renderer.format in FOR_PEOPLE else rows)


@command("\\dv", argument="[COLLECTION]", group=_GROUP)
def list_vectors(shell: Shell, argument: str) -> None:
    """List vectors, of all collections or of one."""
    from qql.cli.backslash.described import described, readable

    rows = [
        {"collection": name, **vector}
        for name in _chosen(shell, argument)
        for vector in described(shell.session, name).vectors
    ]
    shell.show_rows(readable(rows) if shell.renderer.format in FOR_PEOPLE else rows)


@command("\\ds", group=_GROUP)
def list_stages(shell: Shell, argument: str) -> None:
    """List defined stages, and aliases of collections.

    A stage is what DEFINE names, for the rest of the session; an alias is a name for a collection.
    """
    rows: list[JsonObject] = []
    for row in shell.ask("SHOW STAGES", name=r"\ds").rows:
        name, stage = row.values()
        rows.append({"name": name, "kind": "stage", "stands for": stage})
    for row in shell.ask("SHOW ALIASES", name=r"\ds").rows:
        alias, collection = row.values()
        rows.append({"name": alias, "kind": "alias", "stands for": collection})
    shell.show_rows(rows)


@command("\\optimize", argument="[COLLECTION]", group=_GROUP)
def optimize(shell: Shell, argument: str) -> None:
    r"""Build the indexes of a collection now.

    Of the one in use, where none is named. It is `OPTIMIZE collection`, and tells its progress.
    """
    name = argument or shell.session.context.collection
    if not name:
        hint = r"as in `\optimize docs`; `\use docs` makes it the one in use"
        raise UsageError.make("usage", r"\optimize requires a collection", hint=hint)
    require_collection(shell, name)
    shell.renderer.show(shell.ask("OPTIMIZE IDENTIFIER(:name)", {"name": name}, name=r"\optimize"))
