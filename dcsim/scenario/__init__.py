"""Facts of a scenario: specification, loading, presets, jobs."""
