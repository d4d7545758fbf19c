"""Whose rules judge a change, and what it does to them."""
