"""Who may do what: the table for HTTP and WebSocket alike. Grows in step 5."""

from typing import Final

from commonroom.identity import Authority, Principal

__all__ = ["may_edit_message"]

AUTHOR_ONLY: Final = "only its author may change a message"


def may_edit_message(authority: Authority, author: Principal | None) -> bool:
    """A message is changed by its author alone, who may have been a guest then (FEATURES P2)."""
    return authority.owns(author)
