"""The vault: what is sealed opens with its key alone, and keys can be renewed."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text())
def test_what_is_sealed_opens_again_and_does_not_show(text: str) -> None:
    sealed = Vault(NEW).seal(text)
    assert Vault(NEW).open(sealed) == text
    assert len(text) < 4 or text not in sealed


def test_a_new_key_in_front_opens_what_the_old_one_sealed() -> None:
    sealed = Vault(OLD).seal("secret")
    assert Vault(f"{NEW}, {OLD}").open(sealed) == "secret"


def test_the_newest_key_seals() -> None:
    sealed = Vault(f"{NEW},{OLD}").seal("secret")
    assert Vault(NEW).open(sealed) == "secret"


def test_another_key_is_refused_without_showing_it() -> None:
    sealed = Vault(OLD).seal("secret")
    with pytest.raises(Misconfigured) as refused:
        Vault(NEW).open(sealed)
    assert refused.value.code == "wrong_secret_key"
    assert NEW not in str(refused.value)


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
    assert Vault(NEW).open(Vault.of(Settings()).seal("secret")) == "secret"
    monkeypatch.delenv("BETCORE_SECRET_KEY")
    with pytest.raises(Misconfigured, match="BETCORE_SECRET_KEY"):
        Vault.of(Settings(data_dir="nowhere"))
