"""GitHub, as far as a gate needs it: its API, the one comment, the check run."""
