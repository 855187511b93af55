"""Recipes, and callers who may work with them."""

from __future__ import annotations

from typing import Any

import polars as pl
from django.test import Client

from accounts.services import create_api_key
from datasets.models import RecipeVersion
from datasets.services.recipes import create_recipe
from tests.datasets.making import make_owner

TRIM = {"kind": "white_space", "params": {}, "is_enabled": True, "note": ""}
ONCE = {"kind": "duplicates", "params": {"columns": ["text"]}, "is_enabled": True, "note": "한 번씩"}
ROWS = pl.DataFrame({"text": ["  안녕  ", "안녕", "잘 가", None], "n": [1, 2, 3, 4]})


def make_recipe(*steps: Any, name: str = "정리", **more: Any) -> RecipeVersion:
    """Give the first version of a recipe."""
    return create_recipe(name=name, steps=list(steps or (TRIM, ONCE)), actor=make_owner(), **more)


def make_client(role: str = "operator") -> Client:
    """Give a client with a key of a person of a role."""
    user = make_owner(f"the-{role}", role)
    _key, text = create_api_key(user=user, actor=user, name="test", scopes=["manage"])
    return Client(headers={"Authorization": f"Bearer {text}"})
