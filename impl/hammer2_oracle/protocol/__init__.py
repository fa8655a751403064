"""Traces of the protocol from elsewhere: what may have happened, given what was seen."""
