"""QQL in notebooks: results as HTML, and the magics ``%qql`` and ``%%qql``."""
