"""The providers that the settings name."""

from collections.abc import Iterator, Mapping

from commonroom.account.provider.github import GithubProvider
from commonroom.account.provider.issuer import Issuer
from commonroom.account.provider.oidc import OidcProvider
from commonroom.account.provider.outbound import Outbound
from commonroom.account.provider.provider import Provider
from commonroom.clock import Clock
from commonroom.config.settings import OidcSettings, ProvidersSettings

__all__ = ["providers_of"]


def providers_of(settings: ProvidersSettings, outbound: Outbound, clock: Clock) -> Mapping[str, Provider]:
    """By name, in the order of their buttons. Those without a client id are off."""
    return {provider.name: provider for provider in _providers(settings, outbound, clock)}


def _providers(settings: ProvidersSettings, outbound: Outbound, clock: Clock) -> Iterator[Provider]:
    google, issuers = settings.google, dict[str, Issuer]()
    entries = {"google": OidcSettings("Google", google.issuer, google.client_id, google.client_secret)} | settings.oidc
    for name, entry in entries.items():
        if not entry.client_id:
            continue
        issuer = issuers.setdefault(entry.issuer, Issuer(entry.issuer, outbound, clock))  # one for all its clients: it is asked once
        yield OidcProvider(name, entry, issuer, outbound, clock)
    if settings.github.client_id:
        yield GithubProvider(settings.github, outbound)
