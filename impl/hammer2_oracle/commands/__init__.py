"""One module per command; each defines ``command`` and imports what it works with when it is called."""
