"""Experiments: one folder a question. They know dcsim by its public face alone."""
