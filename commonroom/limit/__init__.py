"""How often something may be done."""

from commonroom.limit.limit import Limit
from commonroom.limit.limiter import Ask, Limiter, Standing, Verdict, asks_of

__all__ = ["Ask", "Limit", "Limiter", "Standing", "Verdict", "asks_of"]
