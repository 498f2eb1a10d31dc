"""A gateway, as its own tests have it."""

from tests.gateway.conftest import make_rig, pytest_asyncio_loop_factories, rig

__all__ = ["make_rig", "pytest_asyncio_loop_factories", "rig"]
