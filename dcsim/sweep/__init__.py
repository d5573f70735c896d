"""Sweeps: an experiment file becomes scenarios, an executor runs them, and one table says what came out."""
