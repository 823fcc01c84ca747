"""Scripted senders: terminals and banks that behave as their protocols say, and write down what they were told.

The counterpart of the scripted core, for demo, rehearsals and fault tests. They know nothing of the gateway but its
address; their diary and the core's ledger are what `adapters.judge` compares.
"""
