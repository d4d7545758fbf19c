"""Where run files are kept for the gates to come: a folder, a branch of the repository, HoneyHive."""
