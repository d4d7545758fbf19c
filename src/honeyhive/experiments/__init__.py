"""Experiments: a function over a dataset, scored by evaluators."""
