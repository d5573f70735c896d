"""Executors: who makes the runs of a sweep; one file each."""
