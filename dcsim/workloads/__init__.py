"""Where jobs come from: one file a source."""
