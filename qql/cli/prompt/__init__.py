"""The parts of the prompt: text, keys, colours, faults, history. `qql.cli.repl` puts them together."""
