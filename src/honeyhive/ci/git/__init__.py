"""The repository of a change, read without trusting its checkout; fetched and pushed with the job's token."""
