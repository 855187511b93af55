"""Settings that would lead somewhere else, or that are silently off because they are mistyped, are refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from flueman import checks, mail


@pytest.mark.parametrize("name", ["STORAGE_URL", "AUDIT_ANCHOR_URL"])
def test_folder_when_its_address_is_not_absolute_then_refused(name: str, settings: Any) -> None:
    for url, is_good in (("file:///srv/var", True), ("file://./var", False), ("file://var/blobs", False)):
        setattr(settings, name, url)
        told = [error.msg for error in checks.check_contradictions() if error.id == "flueman.E024"]
        assert told == ([] if is_good else [f"{name}: write file:///absolute/folder."]), url


def test_folder_of_mail_when_its_address_is_not_absolute_then_refused() -> None:
    assert mail.read("file:///srv/mail")["EMAIL_FILE_PATH"] == "/srv/mail"
    with pytest.raises(ImproperlyConfigured, match="file:///absolute/folder"):
        mail.read("file://./var/mail")
