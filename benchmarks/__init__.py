"""Speed and accuracy, measured; figures in RESULTS.md."""
