"""Numbers computed from the scenario and the event log, after the run."""
