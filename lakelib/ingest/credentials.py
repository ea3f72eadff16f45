"""Addresses and credentials of sources: by secret reference, and never in a message."""

from urllib.parse import unquote, urlsplit

from lakelib.errors import UsageError
from lakelib.secrets import is_reference

__all__ = ["check_address", "check_reference", "without_secrets"]


def check_address(address: str) -> None:
    """Raises UsageError for an address with a password in it, which belongs behind a secret reference."""
    if not is_reference(address) and urlsplit(address).password:
        raise UsageError(
            f"An address with a password in it was asked for: {_shown(address)}.",
            hint='Put the whole address behind a secret reference: "env:CRM_URL" or "file:/run/secrets/crm".',
        )


def check_reference(reference: str) -> None:
    """Raises UsageError for what may be the secret itself, which it does not repeat."""
    if not is_reference(reference):
        raise UsageError(
            "A secret was given where its reference is asked for.",
            hint='Write "env:NAME" or "file:/path", never the secret itself.',
        )


def without_secrets(message: str, address: str) -> str:
    """The message without the address and its password, in case it repeats them."""
    password = urlsplit(address).password
    for secret in filter(None, (address, password, unquote(password or ""))):
        message = message.replace(secret, "…")
    return message


def _shown(address: str) -> str:
    return without_secrets(f"{urlsplit(address).scheme}://…@{urlsplit(address).hostname}", address)
