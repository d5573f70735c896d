"""How fast jobs of a workload run in each pool: one file each, named by `[speeds] use`."""
