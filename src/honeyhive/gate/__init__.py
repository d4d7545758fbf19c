"""Decides: a candidate, a baseline and thresholds in, a verdict and a report out; touches nothing."""
