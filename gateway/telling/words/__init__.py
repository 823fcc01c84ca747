"""What people are told, in their language: templates of one line each, and what a letter is made of."""
