"""What a cluster of three nodes on this machine stands for, measured: `commonroom bench cluster`.

`stage.py` is the cluster with its people (`roamer.py`, `writer.py`, `traveller.py`); the other files hold a
few figures each, `figures.py` lists them.
"""
