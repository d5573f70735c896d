"""Claims about whole runs: theory, laws that every scheduler obeys, the walls of the house."""
