"""How the admin side is asked: its listener, paths, problems, and the description of them."""
