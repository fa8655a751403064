"""The operations against every behaviour that the chain layer's contract permits."""
