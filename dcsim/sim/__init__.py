"""The simulation proper: the world, its clock and the engine; the only room that knows SimPy."""
