"""The older names of the evaluation surface."""
