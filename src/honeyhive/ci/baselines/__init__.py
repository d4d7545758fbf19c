"""Which run a candidate is held against, and why not another; the runs in a store, for people."""
