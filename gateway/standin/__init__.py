"""Answers in place of a core that cannot answer: the policy and its limits."""
