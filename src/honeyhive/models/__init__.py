"""The wire shapes of the HoneyHive API that we use."""
