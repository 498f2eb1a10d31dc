"""Sign-in with foreign providers: who the person is there, and how sure that is."""

from commonroom.account.provider.configured import providers_of
from commonroom.account.provider.error import ProviderRefused, ProviderSilent, SignInCancelled, SignInError, SignInInvalid
from commonroom.account.provider.outbound import Outbound
from commonroom.account.provider.provider import Identity, Provider

__all__ = [
    "Identity",
    "Outbound",
    "Provider",
    "ProviderRefused",
    "ProviderSilent",
    "SignInCancelled",
    "SignInError",
    "SignInInvalid",
    "providers_of",
]
