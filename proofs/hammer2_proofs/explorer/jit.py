"""How generated kernels are compiled: without the interpreter's lock, without checks, kept on disk."""

from numba import njit

outer = njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
"""For what Python calls."""

# no_cpython_wrapper: Python never calls these, and a third of the compilation is saved.
inner = njit(cache=True, nogil=True, error_model="numpy", boundscheck=False, no_cpython_wrapper=True)  # type: ignore[call-overload]  # an option that its stubs do not know
"""For what only other kernels call."""

inlined = njit(  # type: ignore[call-overload]  # the same
    cache=True, nogil=True, error_model="numpy", boundscheck=False, no_cpython_wrapper=True, forceinline=True
)
"""The same, always made part of the caller: a quarter faster, but large models would take minutes to compile."""


@inner
def popcount(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # numba finds the types
    """How many bits are set in a number that is not negative."""
    n = 0
    while x:
        x &= x - 1
        n += 1
    return n
