"""Everything that touches GitHub, git and files: it carries out what `gate` has decided, and decides nothing."""
