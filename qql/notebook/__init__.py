"""QQL in notebooks: the magics ``%qql`` and ``%%qql``; what is shown, `qql.cli.render.html` makes."""
