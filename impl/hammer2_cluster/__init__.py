"""What runs: the cluster layer, decision and operations, named after the original."""
