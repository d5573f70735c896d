"""Every file of `scenarios/`, run as it stands, and the published numbers that they must give."""
