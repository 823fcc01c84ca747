"""A node that goes on by itself while its database is away: what it takes is kept in a file, and brought over later.

`fate` is what the database's transactions go by, `store` the engine; `spool.postgres` knows the former, and the latter it.
"""
