"""Tests: the same tree as the package, an independent reference, and claims about whole runs."""
