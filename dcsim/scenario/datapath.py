"""The type of keys that are paths, where plug-ins look for it: topologies, which know no scenarios, have it too."""

from dcsim.plugins import DataFolder, DataPath, PathMarker

__all__ = ["DataFolder", "DataPath", "PathMarker"]
