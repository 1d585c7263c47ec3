"""The vault: what is sealed opens with its key alone, and keys can be renewed."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Place, Vault

HERE = Place("provider", "11111111-2222-4333-8444-555555555555", "secret")
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text())
def test_what_is_sealed_opens_again_and_does_not_show(text: str) -> None:
    sealed = Vault(NEW).seal(text, HERE)
    assert Vault(NEW).open(sealed, HERE) == text
    assert len(text) < 4 or text not in sealed.removeprefix("bound:")


def test_a_new_key_in_front_opens_what_the_old_one_sealed() -> None:
    sealed = Vault(OLD).seal("secret", HERE)
    assert Vault(f"{NEW}, {OLD}").open(sealed, HERE) == "secret"


def test_the_newest_key_seals() -> None:
    sealed = Vault(f"{NEW},{OLD}").seal("secret", HERE)
    assert Vault(NEW).open(sealed, HERE) == "secret"


def test_another_key_is_refused_without_showing_it() -> None:
    sealed = Vault(OLD).seal("secret", HERE)
    with pytest.raises(Misconfigured) as refused:
        Vault(NEW).open(sealed, HERE)
    assert refused.value.code == "wrong_secret_key"
    assert NEW not in str(refused.value)


@pytest.mark.parametrize(
    "elsewhere",
    [
        HERE._replace(row="11111111-2222-4333-8444-555555555556"),
        HERE._replace(column="previous_secret"),
        HERE._replace(table="casino"),
        Place("provider", "", HERE.row + "\0secret"),
    ],
    ids=["row", "column", "table", "border"],
)
def test_what_was_sealed_for_one_place_opens_at_no_other(elsewhere: Place) -> None:
    sealed = Vault(NEW).seal("secret", HERE)
    with pytest.raises(Misconfigured, match="it was sealed for another row") as refused:
        Vault(NEW).open(sealed, elsewhere)
    assert refused.value.code == "wrong_secret_key"


@pytest.mark.parametrize("damage", ["bound:", "bound:AAAA", "bound:\u00fc", "bound:" + "A" * 64, "nothing", ""])
def test_what_is_damaged_is_refused(damage: str) -> None:
    with pytest.raises(Misconfigured):
        Vault(NEW).open(damage, HERE)


def test_what_an_earlier_release_has_sealed_is_read_while_its_key_is_given() -> None:
    sealed = Fernet(OLD).encrypt(b"secret").decode()
    assert Vault(f"{NEW},{OLD}").open(sealed, HERE) == "secret"
    with pytest.raises(Misconfigured):
        Vault(NEW).open(sealed, HERE)


def test_what_an_earlier_release_has_to_read_is_sealed_as_it_seals() -> None:
    sealed = Vault(f"{NEW},{OLD}", bound=False).seal("secret", HERE)
    assert Fernet(NEW).decrypt(sealed) == b"secret"
    assert Vault(NEW).open(sealed, HERE) == "secret"
    assert Vault(NEW, bound=False).open(Vault(NEW).seal("secret", HERE), HERE) == "secret"


@pytest.mark.parametrize("keys", ["", " , ", "short", f"{NEW},short", NEW[:-4]], ids=range(5))
def test_keys_that_are_none_are_refused_without_showing_them(keys: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        Vault(keys)
    assert refused.value.code == "no_secret_key"
    assert "BETCORE_SECRET_KEY" in str(refused.value)
    assert "short" not in str(refused.value)
    assert NEW[:-4] not in str(refused.value)


def test_the_settings_give_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETCORE_SECRET_KEY", NEW)
    assert Vault(NEW).open(Vault.of(Settings()).seal("secret", HERE), HERE) == "secret"
    monkeypatch.delenv("BETCORE_SECRET_KEY")
    with pytest.raises(Misconfigured, match="BETCORE_SECRET_KEY"):
        Vault.of(Settings(data_dir="nowhere"))
