"""The commands of the command line: a function each, in a module for each kind."""
