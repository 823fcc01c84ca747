"""The judge: an independent checker of what happened to money. Knows neither the gateway, nor the spool, nor a core.

It reads records made outside each other (`testimony` says which) and decides: exactly once, the same answer for the same
key, order on each account, and conservation of count and money. Nothing but the standard library is used, so that
nothing that is judged has a hand in the judging. As a command, on files:

    python -m adapters.judge DIARY LEDGER [EXPORT] [--blind] [--several] [--json]

prints the verdict and exits with 0 when nothing is wrong, with 1 when something is, with 2 when a file can't be read.
"""
