"""Recipes: ordered steps under a name, each saved form a version."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7


class RecipeQuerySet(models.QuerySet["Recipe"]):
    """Reads of recipes."""

    def present(self) -> RecipeQuerySet:
        """Recipes that are not archived."""
        return self.filter(archived_at=None)


class Recipe(models.Model):
    """What is done to rows, by name; its versions count from 1."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.TextField(_("description"), blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
    )
    last_version = models.PositiveIntegerField(_("last version"), default=0, editable=False)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = RecipeQuerySet.as_manager()

    class Meta:
        verbose_name = _("recipe")
        verbose_name_plural = _("recipes")
        ordering = ["name"]
        permissions = [("run_recipe", _("Can run a recipe"))]

    def __str__(self) -> str:
        return self.name


class RecipeVersion(models.Model):
    """The steps of a recipe as they were saved once: `[{"kind", "params", "is_enabled", "note"}]`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    recipe = models.ForeignKey(Recipe, on_delete=models.PROTECT, related_name="versions", verbose_name=_("recipe"))
    number = models.PositiveIntegerField(_("number"))
    steps = models.JSONField(_("steps"), default=list)
    note = models.CharField(_("what changed"), max_length=255, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("recipe version")
        verbose_name_plural = _("recipe versions")
        default_permissions = ("view",)
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["recipe", "number"], name="datasets_recipeversion_number"),
        ]

    def __str__(self) -> str:
        return f"{self.recipe.name} v{self.number}"
