"""The cluster protocol: how masters, slaves and clients change, fail and are resynchronized (L44-108, L1374-1447)."""
