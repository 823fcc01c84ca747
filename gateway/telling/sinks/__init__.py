"""Ways to people: each takes a letter and says whether it was taken."""
