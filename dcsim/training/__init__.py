"""Training jobs between scenario, models and simulator: their rows, the rates of all jobs, and what became of them."""
