"""A stand-in for HoneyHive on this machine: real HTTP, state, faults, and an eye on what it is sent."""

from platform_server.arrivals import Recorded
from platform_server.faults import Fault, Kind
from platform_server.platform import PlatformServer, template
from platform_server.replies import Style
from platform_server.spans import attributes
from platform_server.state import Kept

__all__ = ["Fault", "Kept", "Kind", "PlatformServer", "Recorded", "Style", "attributes", "template"]
