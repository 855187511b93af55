"""People, the keys of their applications, and their sessions."""

from typing import Protocol

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.devices import describe
from common.ids import uuid7
from common.sealing import SealedField
from guards.limits import MAX_PER_MINUTE, MAX_ROWS_PER_MINUTE


class User(AbstractUser):
    """A person or a client application that can log in. Roles are groups: `accounts/roles.py`."""

    email = models.EmailField(_("email address"), blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True, help_text=_("empty: the browser's"))
    time_zone = models.CharField(_("time zone"), max_length=50, blank=True, help_text=_("empty: the server's"))

    class Meta(AbstractUser.Meta):
        verbose_name = _("user")  # type: ignore[assignment]
        verbose_name_plural = _("users")  # type: ignore[assignment]
        permissions = [("change_self", _("Can change own language, time zone and password"))]


class Viewer(Protocol):
    """Somebody who looks: a caller of the API (`accounts/credentials.py`)."""

    user_id: int

    def may(self, permission: str) -> bool:
        """Tell whether the viewer holds a permission."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Reads of API keys."""

    def visible_to(self, viewer: Viewer) -> "ApiKeyQuerySet":
        """Keys of the viewer, or of everybody for those who manage them."""
        return self if viewer.may("accounts.manage_any_apikey") else self.filter(user_id=viewer.user_id)

    def live(self) -> "ApiKeyQuerySet":
        """Keys that may be used now."""
        now = timezone.now()
        return self.filter(revoked_at=None, user__is_active=True).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class ApiKey(models.Model):
    """A key of an application: shown once, kept as an HMAC, limited to scopes and models."""

    LIMITS = ("per_minute", "burst", "rows_per_minute")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    prefix = models.CharField(
        _("prefix"), max_length=40, unique=True, help_text=_("flm_<environment>_<id>, shown in lists")
    )
    name = models.CharField(_("name"), max_length=100)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys", verbose_name=_("owner"))
    digest = models.CharField(max_length=64, editable=False)
    old_digest = models.CharField(max_length=64, editable=False, blank=True, db_default="", default="")
    old_until = models.DateTimeField(_("old secret works until"), null=True, blank=True)
    old_used_at = models.DateTimeField(_("old secret last used"), null=True, blank=True)
    per_minute = models.PositiveIntegerField(
        _("predictions a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_PER_MINUTE)],
        help_text=_("empty: as many as the installation allows"),
    )
    burst = models.PositiveIntegerField(
        _("at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_PER_MINUTE)],
        help_text=_("after a quiet time; empty: six seconds' worth"),
    )
    rows_per_minute = models.PositiveIntegerField(
        _("rows a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_ROWS_PER_MINUTE)],
        help_text=_("of all its predictions; empty: as many as the installation allows"),
    )
    scopes = models.JSONField(_("scopes"), default=list)
    allowed_models = models.JSONField(
        _("allowed models"), default=list, blank=True, help_text=_("deployment names; empty: all")
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    expiry_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    created_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-id"]
        permissions = [
            ("revoke_apikey", _("Can revoke own API keys")),
            ("rotate_apikey", _("Can give own API keys a new secret")),
            ("manage_any_apikey", _("Can see, make and revoke API keys of other people")),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def limits(self) -> dict[str, int | None]:
        """How often it may predict by its own limits; `None` where it has none."""
        return {name: getattr(self, name) for name in self.LIMITS}


class SessionQuerySet(models.QuerySet["Session"]):
    """Reads of sessions."""

    def visible_to(self, viewer: Viewer) -> "SessionQuerySet":
        """Sessions of the viewer, or of everybody for those who manage them."""
        return self if viewer.may("accounts.manage_any_session") else self.filter(user_id=viewer.user_id)

    def open(self) -> "SessionQuerySet":
        """Sessions that can still be refreshed."""
        return self.filter(ended_at=None, expires_at__gt=timezone.now())


class Session(models.Model):
    """One log-in: the family of a refresh token, or the cookie of a browser."""

    class Kind(models.TextChoices):
        TOKEN = "token", _("token")
        BROWSER = "browser", _("browser")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_sessions", verbose_name=_("user"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.TOKEN, db_default=Kind.TOKEN)
    refresh_id = models.CharField(
        max_length=40, blank=True, help_text=_("`jti` of the one refresh token that may be used")
    )
    device = models.CharField(_("device"), max_length=255, blank=True)
    address = models.CharField(_("address"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"))
    expires_at = models.DateTimeField(_("expires"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_reason = models.CharField(_("why it ended"), max_length=40, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("end_session", _("Can end own sessions")),
            ("manage_any_session", _("Can see and end sessions of other people")),
        ]
        indexes = [
            # The snapshot of every web process: sessions ended lately.
            models.Index(fields=["ended_at"], name="accounts_session_by_end"),
            # Housekeeping: sessions that ran out long ago.
            models.Index(fields=["expires_at"], name="accounts_session_by_expiry"),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.user), *describe(self.device))))


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    """Reads of signing keys."""

    def verifying(self) -> "SigningKeyQuerySet":
        """Keys whose signatures are good now."""
        is_retired = models.Q(state=SigningKey.State.RETIRED)
        is_believed = models.Q(retire_at=None) | models.Q(retire_at__gt=timezone.now())
        return self.filter(~is_retired | is_believed)

    def in_waiting(self) -> "SigningKeyQuerySet":
        """Keys that the environment brings behind its first one, and that have never signed."""
        return self.filter(state=SigningKey.State.RETIRED, retire_at=None)

    def lapsing(self) -> "SigningKeyQuerySet":
        """Keys that have never signed, and that the environment brought no more when somebody looked last."""
        return self.filter(state=SigningKey.State.RETIRED, not_before=None, retire_at__gt=timezone.now())

    def run_out(self) -> "SigningKeyQuerySet":
        """Keys whose signatures were good once."""
        return self.filter(state=SigningKey.State.RETIRED, retire_at__lte=timezone.now())


class SigningKey(models.Model):
    """A key that signs tokens: published before it signs, and believed until the last token of it has run out."""

    class State(models.TextChoices):
        NEXT = "next", _("next")
        ACTIVE = "active", _("signs")
        RETIRED = "retired", _("retired")

    kid = models.CharField(_("key id"), max_length=40, primary_key=True)
    algorithm = models.CharField(_("algorithm"), max_length=10)
    public_key = models.TextField(_("public key"), help_text=_("PEM"))
    private_key = SealedField(blank=True, editable=False, help_text=_("empty where it comes from the environment"))
    state = models.CharField(_("state"), max_length=10, choices=State)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    not_before = models.DateTimeField(_("signs since"), null=True, blank=True)
    retire_at = models.DateTimeField(_("believed until"), null=True, blank=True)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        ordering = ["-created_at", "kid"]
        default_permissions = ("view",)
        permissions = [("rotate_signingkey", _("Can rotate and withdraw signing keys"))]

    def __str__(self) -> str:
        return self.kid


class ExternalIdentity(models.Model):
    """Who a person is at an OpenID Connect provider: never their e-mail, which anybody may claim there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities", verbose_name=_("user"))
    issuer = models.CharField(_("provider"), max_length=255)
    subject = models.CharField(_("name at the provider"), max_length=255)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name = _("identity at a provider")
        verbose_name_plural = _("identities at providers")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="accounts_externalidentity_one_per_subject")
        ]

    def __str__(self) -> str:
        return f"{self.issuer} {self.subject}"


class SecondFactor(models.Model):
    """The authenticator app of a person, in force once confirmed; its recovery codes are kept as HMACs."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="second_factor")
    secret = SealedField(editable=False)
    recovery = models.JSONField(default=list, editable=False)
    last_step = models.BigIntegerField(default=0, help_text=_("the last 30 s step whose code was used"))
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("second factor")
        default_permissions = ()
        permissions = [("reset_secondfactor", _("Can take away the second factor of other people, and unlock them"))]

    def __str__(self) -> str:
        return str(self.user)
