"""One file per billing system, and the scripted one that rehearsals and tests use."""
