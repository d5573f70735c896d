"""Placements: which nodes a job gets; one file each."""
