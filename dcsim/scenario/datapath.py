"""The type of keys that are paths, where plug-ins look for it: topologies, which know no scenarios, have it too."""

from dcsim.plugins import DataPath, PathMarker

__all__ = ["DataPath", "PathMarker"]
