"""Pages for people: the report of a run and the mood board; plain files that need no network."""
