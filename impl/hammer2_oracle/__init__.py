"""What others use: records, the judge of vectors and traces, and the command line."""
