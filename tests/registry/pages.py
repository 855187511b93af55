"""The pages of models in the back office, and people in front of them."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.accounts.making import make_user


def enter(person: User, language: str = "en") -> Client:
    """Give a browser in which somebody is logged in."""
    client = Client(headers={"accept-language": language})
    client.force_login(person)
    return client


def log_in(role: str = "operator", language: str = "en") -> Client:
    """Give a browser in which somebody new of a role is logged in."""
    return enter(make_user(role), language)


def page_of(row: Any) -> str:
    """Give the address of the page of a row."""
    return reverse(f"admin:registry_{row._meta.model_name}_change", args=[row.pk])


def verb_of(row: Any, verb: str) -> str:
    """Give the address where a verb is done to a row."""
    return reverse(f"admin:registry_{row._meta.model_name}_do", args=[row.pk, verb])
