"""QQL in notebooks: the magics ``%qql`` and ``%%qql``; `qql.cli.render.html` has what is shown of a result."""
