"""The prompt: what is typed, coloured, completed, kept, and where it is at fault. `qql.cli.repl` puts it together."""
