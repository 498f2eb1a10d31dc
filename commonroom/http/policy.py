"""The Content-Security-Policy."""

__all__ = ["content_policy"]

OURS_ALONE = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def content_policy(widget_origin: str = "") -> str:
    """Everything from here alone.

    Args:
        widget_origin: where script and frames of a challenge's widget may come from besides; empty: there is none.
    """
    besides = f"; script-src 'self' {widget_origin}; frame-src {widget_origin}" if widget_origin else ""
    return OURS_ALONE + besides
