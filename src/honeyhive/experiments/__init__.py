"""Experiments: a function over a dataset, scored."""
