"""Settings of sign-in with providers: built-in groups, and entries that the operator names."""

from pathlib import Path

import pytest

from commonroom.config import load, show
from commonroom.config.check import is_provider_url
from commonroom.config.report import MASK
from commonroom.config.settings import OidcSettings, ProvidersSettings, Settings
from commonroom.errors import ConfigError
from commonroom.supervisor.plan import environment

OIDC = "COMMONROOM_PROVIDERS__OIDC__"
SCHOOL = {
    f"{OIDC}MY_SCHOOL__ISSUER": "https://id.school.example/realms/main",
    f"{OIDC}MY_SCHOOL__CLIENT_ID": "rooms",
    f"{OIDC}MY_SCHOOL__CLIENT_SECRET": "hunter2",
}
TOML = """
[providers.github]
client_id = "gh"
client_secret = "hunter2"
[providers.oidc.my-school]
label = "My school"
issuer = "https://id.school.example"
client_id = "rooms"
client_secret = "hunter2"
scopes = ["openid", "email"]
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "commonroom.toml"


def _refusal(environ: dict[str, str] | None = None, toml: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load({}, environ or {}, toml)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_every_provider_is_off_by_default() -> None:
    providers = load({}, {}).settings.providers
    assert (providers.google.client_id, providers.github.client_id, providers.oidc) == ("", "", {})


def test_a_named_provider_comes_from_the_file(toml: Path) -> None:
    toml.write_text(TOML)
    loaded = load({}, {}, toml)
    school = OidcSettings("My school", "https://id.school.example", "rooms", "hunter2", ("openid", "email"))
    assert loaded.settings.providers.oidc == {"my-school": school}
    assert loaded.settings.providers.github.client_id == "gh"
    assert loaded.origins["providers.oidc.my-school.issuer"] == f"file {toml}"


def test_a_named_provider_comes_from_the_environment_with_underscores_for_hyphens() -> None:
    loaded = load({}, SCHOOL | {f"{OIDC}MY_SCHOOL__SCOPES": "openid, email"})
    school = loaded.settings.providers.oidc["my-school"]
    assert (school.issuer, school.client_id, school.scopes) == ("https://id.school.example/realms/main", "rooms", ("openid", "email"))
    assert loaded.origins["providers.oidc.my-school.client_id"] == f"environment {OIDC}MY_SCHOOL__CLIENT_ID"
    assert loaded.origins["providers.oidc.my-school.label"] == "default"


def test_the_environment_wins_field_by_field(toml: Path) -> None:
    toml.write_text(TOML)
    school = load({}, {f"{OIDC}MY_SCHOOL__CLIENT_ID": "other"}, toml).settings.providers.oidc["my-school"]
    assert (school.client_id, school.label) == ("other", "My school")


@pytest.mark.parametrize("name", ["a", "my-school", "a--b", "-a-", "0" * 32])
def test_any_name_of_the_form_has_its_variable(name: str) -> None:
    part = name.upper().replace("-", "_")
    environ = {f"{OIDC}{part}__ISSUER": "https://a.example", f"{OIDC}{part}__CLIENT_ID": "i", f"{OIDC}{part}__CLIENT_SECRET": "s"}
    assert list(load({}, environ).settings.providers.oidc) == [name]


def test_a_secret_of_a_named_provider_may_come_from_a_mounted_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter3\n")
    environ = {name: value for name, value in SCHOOL.items() if not name.endswith("SECRET")}
    environ |= {f"{OIDC}MY_SCHOOL__CLIENT_SECRET_FILE": str(secret), "COMMONROOM_PROVIDERS__GITHUB__CLIENT_SECRET_FILE": str(secret)}
    providers = load({}, environ).settings.providers
    assert providers.oidc["my-school"].client_secret == providers.github.client_secret == "hunter3"
    assert "is no setting" in _refusal({f"{OIDC}MY_SCHOOL__ISSUER_FILE": str(secret)})


def test_secrets_of_providers_are_masked_and_the_rest_is_told(toml: Path) -> None:
    toml.write_text(TOML)
    rows = {row.path: row for row in show(load({}, {}, toml))}
    assert "hunter2" not in repr(rows)
    assert rows["providers.oidc.my-school.client_secret"].value == rows["providers.github.client_secret"].value == MASK
    assert rows["providers.oidc.my-school.label"].value == '"My school"'
    assert rows["providers.oidc.my-school.issuer"].description
    assert rows["providers.google.client_secret"].value == '""'


def test_a_worker_is_told_its_named_providers(toml: Path) -> None:
    toml.write_text(TOML)
    settings = load({}, {}, toml).settings
    assert load({}, environment(settings, {})).settings == settings
    assert environment(Settings(providers=ProvidersSettings()), {}) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[providers.oidc.My_School]\nissuer = 'https://a.example'", "'My_School' is no name, expected 1 to 32 of a-z, 0-9 and -"),
        (f"[providers.oidc.{'a' * 33}]\nissuer = 'https://a.example'", "is no name"),
        ('[providers.oidc."a.b"]\nissuer = "https://a.example"', "is no name"),
        ("[providers.oidc]\nissuer = 'https://a.example'", "providers.oidc.issuer is no setting"),
        ("[providers.oidc.school]\nisuer = 'https://a.example'", "did you mean providers.oidc.<name>.issuer?"),
        ("[providers.oidc.school]", "providers.oidc.school is no setting"),
        ("[providers.oidc]\nschool = 5", "providers.oidc.school is no setting"),
        ("[providers]\noidc = 5", "providers.oidc is no setting"),
        ("[providers.oidc.school.issuer]\nx = 1", "providers.oidc.school.issuer = "),
        ("[providers.oidc.school]\nscopes = 'openid'", "providers.oidc.school.scopes = "),
        ("[providers.gitlab]\nclient_id = 'x'", "providers.gitlab.client_id is no setting"),
        ("[providers.google]\nclient_secret = 'hunter2 '", "providers.google.client_secret = '(secret)'"),
        ("[providers.oidc.school]\nclient_secret = 'hunter2 é'", "providers.oidc.school.client_secret = '(secret)'"),
    ],
)
def test_a_bad_entry_is_refused_in_clear_words(toml: Path, text: str, told: str) -> None:
    toml.write_text(text)
    refusal = _refusal(toml=toml)
    assert told.replace("'(secret)'", "(secret)") in refusal
    assert str(toml) in refusal


def test_empty_tables_of_providers_mean_nothing(toml: Path) -> None:
    toml.write_text("[providers]\n[providers.google]\n[providers.oidc]")
    assert load({}, {}, toml).settings.providers == ProvidersSettings()


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"COMMONROOM_PROVIDERS__GOOGLE__CLIENT_ID": "x"}, "providers.google.client_secret"),
        ({"COMMONROOM_PROVIDERS__GITHUB__CLIENT_ID": "x"}, "providers.github.client_secret"),
        ({"COMMONROOM_PROVIDERS__GOOGLE__ISSUER": "http://accounts.google.com"}, "providers.google.issuer"),
        ({"COMMONROOM_PROVIDERS__GITHUB__API_URL": "http://10.0.0.1/api"}, "providers.github.api_url"),
        ({"COMMONROOM_PROVIDERS__GITHUB__TOKEN_URL": ""}, "providers.github.token_url"),
        (SCHOOL | {f"{OIDC}MY_SCHOOL__ISSUER": ""}, "providers.oidc.my-school.issuer"),
        (SCHOOL | {f"{OIDC}MY_SCHOOL__ISSUER": "http://id.school.example"}, "providers.oidc.my-school.issuer"),
        (SCHOOL | {f"{OIDC}MY_SCHOOL__CLIENT_SECRET": ""}, "providers.oidc.my-school.client_secret"),
        (SCHOOL | {f"{OIDC}MY_SCHOOL__SCOPES": "email"}, "providers.oidc.my-school.scopes"),
        (SCHOOL | {f"{OIDC}MY_SCHOOL__SCOPES": "openid,a b"}, "providers.oidc.my-school.scopes"),
        ({f"{OIDC}GOOGLE__ISSUER": "https://a.example"}, "providers.oidc.google.client_id"),
    ],
)
def test_a_provider_that_cannot_be_meant_is_refused(environ: dict[str, str], path: str) -> None:
    assert _refusal(environ).startswith(f"{path} = ")


@pytest.mark.parametrize("name", [f"{OIDC}__ISSUER", f"{OIDC}ISSUER", f"{OIDC}A.B__ISSUER", f"{OIDC}{'A' * 33}__ISSUER", f"{OIDC}A__ISUER"])
def test_a_variable_of_no_entry_is_refused(name: str) -> None:
    assert f"{name} is no setting" in _refusal({name: "https://a.example"})


def test_one_setting_of_an_entry_under_two_names_is_refused() -> None:
    assert "set twice" in _refusal({f"{OIDC}A__LABEL": "1", f"{OIDC}a__LABEL": "2"})


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://id.example", True),
        ("https://id.example:8443/realms/main/", True),
        ("http://127.0.0.1:9400", True),
        ("http://[::1]:9400/x", True),
        ("http://localhost", True),
        ("http://id.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("https://id.example/?a=b", False),
        ("https://id.example/?", False),
        ("https://id.example#x", False),
        ("https://id.example\\@evil.example", False),
        ("https://id.example:99999", False),
        ("https://id.éxample", False),
        ("https://id.example\n", False),
        ("ftp://id.example", False),
        ("https://", False),
        ("", False),
    ],
)
def test_codes_and_secrets_go_over_tls_or_stay_on_the_machine(url: str, good: bool) -> None:
    assert is_provider_url(url) is good
