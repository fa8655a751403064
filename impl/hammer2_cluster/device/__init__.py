"""Block devices: bytes that may fail."""
