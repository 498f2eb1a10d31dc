"""Asks a server everything that its OpenAPI document says it answers, and much that it does not, by schemathesis."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import schemathesis
from schemathesis.engine import events, from_schema

from tests.support.tracing import untraced

__all__ = ["Findings", "probe"]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "positive_data_acceptance",
    "negative_data_rejection",
    "ignored_auth",
    "unsupported_method",
    "allow_header_conformance",
)
RULES_BEYOND_THE_SCHEMA = (422, 426)
"""Names of nothing visible, cursors that are not ours, sockets without an upgrade: well-formed, and refused all the same."""


class Findings(NamedTuple):
    """What a run found: how often each operation (`GET /path`) answered with each status, and each contradiction in words."""

    answers: Counter[tuple[str, int]]
    contradictions: list[str]


def probe(
    document: Mapping[str, Any],
    url: str,
    *,
    headers: Mapping[str, str],
    examples: int,
    leave_out: Collection[str] = (),
    known: Mapping[str, Any] | None = None,
) -> Findings:
    """Blocks until all operations were asked: the limits of every field, then `examples` random requests each.

    The requests follow from the document alone, so that a run can be repeated.

    Args:
        leave_out: operationIds that are not asked.
        known: values for parameters, by place and name, as in `path.room`.
    """
    whole = schemathesis.openapi.from_dict(dict(document), config=_config(url, headers, examples, known or {}))
    schema = whole.exclude(operation_id=sorted(leave_out)) if leave_out else whole
    answers: Counter[tuple[str, int]] = Counter()
    contradictions: list[str] = []
    with untraced():
        told = list(from_schema(schema).execute())
    for event in told:
        if isinstance(event, events.ScenarioFinished):
            interactions = event.recorder.interactions.values()
            answers.update((event.recorder.label, one.response.status_code) for one in interactions if one.response is not None)
            contradictions += _contradictions(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            contradictions.append(str(event))
    return Findings(answers, contradictions)


def _config(url: str, headers: Mapping[str, str], examples: int, known: Mapping[str, Any]) -> schemathesis.Config:
    checks: dict[str, Any] = {"enabled": False, **{name: {"enabled": True} for name in CHECKS}}
    accepted = ["2xx", "3xx", 401, 403, 404, 409, *RULES_BEYOND_THE_SCHEMA]
    checks["positive_data_acceptance"] = {"enabled": True, "expected-statuses": accepted}
    return schemathesis.Config.from_dict(
        {
            "seed": 1,
            "base-url": url,
            "headers": dict(headers),
            "parameters": dict(known),
            "auth": {"auto-signup": False},
            "request-timeout": 20,
            "continue-on-failure": True,
            "max-redirects": 0,
            "cache": {"enabled": False},
            "generation": {"max-examples": examples, "deterministic": True, "database": "none", "no-shrink": True},
            "phases": {
                "stateful": {"enabled": False},
                "examples": {"enabled": False},
                "coverage": {"unexpected-methods": ["PUT", "TRACE"]},
            },
            "checks": checks,
        }
    )


def _contradictions(event: events.ScenarioFinished) -> Iterator[str]:
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info
                yield f"{event.recorder.label} ({case_id}) {check.name}: {failure.failure}\n{failure.code_sample}"
