"""The cluster protocol: how masters, slaves and clients change, fail and are brought back into step (L44-108, L1374-1447)."""
