"""The providers that the settings name. Without any, nothing is imported that only they need: a twelfth of all that a start imports."""

from collections.abc import Iterator, Mapping

from commonroom.account.provider.outbound import Outbound
from commonroom.account.provider.provider import Provider
from commonroom.clock import Clock
from commonroom.config.settings import OidcSettings, ProvidersSettings

__all__ = ["providers_of"]


def providers_of(settings: ProvidersSettings, outbound: Outbound, clock: Clock) -> Mapping[str, Provider]:
    """By name, in the order of their buttons. Those without a client id are off."""
    return {provider.name: provider for provider in _providers(settings, outbound, clock)}


def _providers(settings: ProvidersSettings, outbound: Outbound, clock: Clock) -> Iterator[Provider]:
    google = settings.google
    entries = {"google": OidcSettings("Google", google.issuer, google.client_id, google.client_secret)} | settings.oidc
    if wanted := {name: entry for name, entry in entries.items() if entry.client_id}:
        yield from _oidc(wanted, outbound, clock)
    if settings.github.client_id:
        from commonroom.account.provider.github import GithubProvider  # noqa: PLC0415 - heavy

        yield GithubProvider(settings.github, outbound)


def _oidc(entries: Mapping[str, OidcSettings], outbound: Outbound, clock: Clock) -> Iterator[Provider]:
    from commonroom.account.provider.issuer import Issuer  # noqa: PLC0415 - heavy
    from commonroom.account.provider.oidc import OidcProvider  # noqa: PLC0415 - heavy

    issuers = dict[str, Issuer]()
    for name, entry in entries.items():
        issuer = issuers.setdefault(entry.issuer, Issuer(entry.issuer, outbound, clock))  # one for all its clients: it is asked once
        yield OidcProvider(name, entry, issuer, outbound, clock)
