"""`tune` on a recording: thousands of settings, each recomputed from what the stages gave once.

``boards`` has the figures of all settings, ``searches`` draws settings, ``folds`` says how good a choice is
on queries that had no part in it, ``changes`` what each change alone does, ``report`` shows all that.
"""
