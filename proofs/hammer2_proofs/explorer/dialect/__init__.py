"""The dialect of the models, and how each part of it becomes text of kernels."""
