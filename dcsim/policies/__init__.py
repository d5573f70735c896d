"""Decisions: schedulers and placements, one file each, and the view they decide from."""
