"""The HoneyHive API: `honeyhive.api.client.HoneyHive`."""
