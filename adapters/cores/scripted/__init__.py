"""A billing system to rehearse against: both protocols, its own durable ledger, and faults on demand.

It books for itself and nobody else; its ledger is the judge of rehearsals, so it keeps what it was asked in clear. Never
point real payers at it. `server.ScriptedCore` starts it in-process, `python -m adapters.cores.scripted` as a command, and
`python -m adapters.cores.scripted.ledger PATH` reads a ledger from the outside.
"""
