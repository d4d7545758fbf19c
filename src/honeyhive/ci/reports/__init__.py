"""The report as a value, handed on as a folder, and posted by a job that believes none of it."""
