"""Where a gate is: the event, the change and its base, and what can be asked from there."""
