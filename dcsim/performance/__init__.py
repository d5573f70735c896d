"""Facts and kernels make numbers: step times, memory, plans, estimates."""
