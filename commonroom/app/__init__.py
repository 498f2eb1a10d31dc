"""A node, put together: the one place that knows every part."""

from commonroom.app.node import Node
from commonroom.app.run import run

__all__ = ["Node", "run"]
