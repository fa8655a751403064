"""Why it holds: the lifter, the proofs, and the exhaustive enumeration and exploration."""
