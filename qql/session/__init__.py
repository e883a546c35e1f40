"""The one place where all meet: a script goes in, results come out."""
