"""The audit chain: rows that are only ever added, each holding the hash of the one before."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.canonical import moment
from audit.statements import Statement


class AuditPerson(models.Model):
    """Clear text of a person who stands in the chain only as a salted hash; erasing it leaves the chain whole."""

    reference = models.CharField(_("reference"), max_length=64, primary_key=True)
    label = models.CharField(_("name"), max_length=255)
    owner = models.CharField(
        _("belongs to"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text=_("the person whose address or e-mail address this is"),
    )
    secret = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)

    class Meta:
        verbose_name = _("audited person")
        verbose_name_plural = _("audited people")
        default_permissions = ("view",)
        permissions = [("erase_auditperson", _("Can erase the name of a person from the audit trail"))]
        indexes = [
            # All that is to be erased with a person.
            models.Index(fields=["owner"], name="audit_person_by_owner"),
            # Search by name or address.
            models.Index(fields=["label"], name="audit_person_by_label"),
        ]

    def __str__(self) -> str:
        return self.label


class AuditEvent(models.Model):
    """One thing that happened: who, what, to what, from where, before and after."""

    sequence = models.BigIntegerField(_("number"), primary_key=True)
    at = models.DateTimeField(_("time"))
    actor = models.CharField(
        _("actor"), max_length=64, blank=True, help_text=_("reference of a person, or a part of the system")
    )
    action = models.CharField(_("action"), max_length=100)
    target_type = models.CharField(_("kind of target"), max_length=100, blank=True)
    target_id = models.CharField(_("target"), max_length=100, blank=True)
    target_label = models.CharField(_("target name"), max_length=255, blank=True)
    before = models.JSONField(_("before"), default=dict)
    after = models.JSONField(_("after"), default=dict)
    reason = models.TextField(_("reason"), blank=True)
    outcome = models.CharField(_("outcome"), max_length=20, default="done", help_text=_("done, refused or failed"))
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    address = models.CharField(_("address"), max_length=64, blank=True)
    credential = models.CharField(_("API key"), max_length=40, blank=True, help_text=_("prefix; empty for a person"))
    previous_hash = models.CharField(_("previous hash"), max_length=64)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ["-sequence"]
        default_permissions = ("view",)
        permissions = [
            ("verify_auditevent", _("Can verify the audit chain")),
            ("export_auditevent", _("Can export the audit chain")),
        ]
        indexes = [
            # "What did this person do", newest first.
            models.Index(fields=["actor", "sequence"], name="audit_event_by_actor"),
            # "What happened to this thing", newest first.
            models.Index(fields=["target_type", "target_id", "sequence"], name="audit_event_by_target"),
            models.Index(fields=["action", "sequence"], name="audit_event_by_action"),
            models.Index(fields=["at"], name="audit_event_by_time"),
        ]

    def __str__(self) -> str:
        return f"#{self.sequence}"


class AuditHead(models.Model):
    """The end of the chain: one row, locked last in each transaction that adds to it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.sequence)

    @classmethod
    def current(cls) -> AuditHead:
        """Give where the chain stands: at its start where there is no row yet."""
        return cls._default_manager.filter(id=1).first() or cls()


class AuditCheckpoint(models.Model):
    """A signed statement about the chain, as `audit.statements` has it, and whether the outside anchor holds it."""

    number = models.BigIntegerField(_("number"), primary_key=True)
    kind = models.CharField(_("kind"), max_length=20)
    sequence = models.BigIntegerField(_("up to event"))
    head_hash = models.CharField(_("hash of that event"), max_length=64)
    events = models.BigIntegerField(_("events since the one before"))
    at = models.DateTimeField(_("time"))
    key_id = models.CharField(_("signed by key"), max_length=64)
    details = models.JSONField(_("details"), default=dict, blank=True)
    previous = models.CharField(_("hash of the one before"), max_length=64)
    signature = models.CharField(_("signature"), max_length=128)
    sealed_until = models.BigIntegerField(_("events under seal up to"), null=True, blank=True)
    anchored_at = models.DateTimeField(_("anchored"), null=True, blank=True)

    class Meta:
        verbose_name = _("audit checkpoint")
        verbose_name_plural = _("audit checkpoints")
        ordering = ["-number"]
        default_permissions = ()
        indexes = [
            # The checkpoint at or after an event: where an export or a segment may end.
            models.Index(fields=["sequence", "number"], name="audit_checkpoint_by_event"),
            # What still has to reach the anchor.
            models.Index(fields=["anchored_at", "number"], name="audit_checkpoint_by_anchor"),
            # The statements of a kind; up to which event rows may be removed.
            models.Index(fields=["kind", "number"], name="audit_checkpoint_by_kind"),
            models.Index(fields=["sealed_until"], name="audit_checkpoint_by_seal"),
        ]

    def __str__(self) -> str:
        return f"#{self.number}"

    @property
    def statement(self) -> Statement:
        """Give what was signed."""
        fields = {name: getattr(self, name) for name in Statement.__slots__}
        return Statement(**fields | {"at": moment(self.at)})
