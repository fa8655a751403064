"""Exhaustive exploration of a model: every reachable state, breadth first, up to the model's bounds."""
