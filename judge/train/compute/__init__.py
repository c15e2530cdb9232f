"""How a step computes: attention, the head, kernels, memory, operations counted."""
