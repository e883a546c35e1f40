"""Where a prompt goes from its first database: to another target, or to a profile."""

from __future__ import annotations

from qql.cli.commands.connection import open_other_session, open_session, target_of
from qql.cli.commands.options import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.access import Access
    from qql.cli.profiles.profile import Profile
    from qql.cli.render import ProgressBar, Renderer
    from qql.session.session import Session

__all__ = ["OtherConnections"]


class OtherConnections:
    """Opens the sessions of ``\\c`` and ``\\profile`` with the settings that the command line gave."""

    def __init__(
        self, args: Arguments, access: Access, console: Renderer, progress: ProgressBar | None
    ) -> None:
        self._args, self._access, self._console, self._progress = args, access, console, progress

    def to_target(self, target: str) -> Session:
        """A session on a target; the profile is left for it. Raises `QQLConnectionError`."""
        session = open_other_session(self._own_args(), target, self._progress)
        self._access.profile = None
        return session

    def by_profile(self, name: str) -> tuple[Session, Profile]:
        """A session by a profile, whose key no message shows from now on. Raises `QQLError`."""
        from qql.cli.commands import COMMANDS
        from qql.cli.keys import known_keys
        from qql.cli.profiles.applied import with_profile, without_connection
        from qql.cli.profiles.config import find_profile

        profile = find_profile(name)
        args = with_profile(without_connection(self._args), profile, COMMANDS["run"])
        secrets = {*self._console.secrets, *known_keys(args)}
        self._console.secrets = tuple(sorted(secrets, key=len, reverse=True))
        return open_session(args, target_of(args), self._progress), profile

    def _own_args(self) -> Arguments:
        """The arguments without what a profile has said."""
        from qql.cli.profiles.applied import without_profile

        return self._args if self._args.get("profile") is None else without_profile(self._args)
