"""Each event as a sentence in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEvent
from audit.people import REFERENCE, names_of
from common.display import actor_name
from common.korean import settle_particles

Words = Mapping[str, str | Promise]

# What was done to the target; `%(actor)s`, `%(target)s`, and whatever `before` and `after` hold, as `%(before.x)s`.
ACTIONS: Words = {
    "accounts.api_key_created": _("%(actor)s made the API key %(target)s"),
    "accounts.api_key_limited": _("%(actor)s set the limit of the API key %(target)s"),
    "accounts.api_key_revoked": _("%(actor)s revoked the API key %(target)s"),
    "accounts.password_link_sent": _("a link for a new password was sent to %(target)s"),
    "accounts.api_key_rotated": _("%(actor)s gave the API key %(target)s a new secret"),
    "accounts.identity_linked": _("%(target)s can log in through %(after.at)s"),
    "accounts.identity_unlinked": _("%(target)s can no longer log in through %(before.at)s"),
    "accounts.logged_in": _("%(actor)s logged in"),
    "accounts.logged_out": _("%(actor)s logged out"),
    "accounts.password_changed": _("%(actor)s changed the password of %(target)s"),
    "accounts.recovery_code_used": _("%(actor)s logged in with a recovery code"),
    "accounts.recovery_codes_renewed": _("%(actor)s made new recovery codes"),
    "accounts.roles_set": _("%(actor)s set the roles of %(target)s to %(after.roles)s"),
    "accounts.second_factor_added": _("%(actor)s added a second factor for %(target)s"),
    "accounts.second_factor_checked": _("%(actor)s gave the second factor"),
    "accounts.second_factor_removed": _("%(actor)s removed the second factor of %(target)s"),
    "accounts.session_ended": _("%(actor)s ended the session %(target)s"),
    "accounts.sessions_ended": _("%(actor)s ended all sessions of %(target)s"),
    "accounts.signing_key_rotated": _("%(actor)s had the key %(target)s sign tokens"),
    "accounts.signing_key_withdrawn": _("%(actor)s withdrew the signing key %(target)s"),
    "accounts.user_activated": _("%(actor)s activated the account of %(target)s"),
    "accounts.user_changed": _("%(actor)s changed the settings of %(target)s"),
    "accounts.user_created": _("%(actor)s made an account for %(target)s"),
    "accounts.user_deactivated": _("%(actor)s deactivated the account of %(target)s"),
    "accounts.user_unlocked": _("%(actor)s unlocked the log-in of %(target)s"),
    "audit.exported": _("%(actor)s exported the events %(after.first)s to %(after.last)s of the audit chain"),
    "audit.key_rotated": _("%(actor)s replaced the key that signs the audit chain"),
    "audit.person_erased": _("%(actor)s erased the name of %(target)s from the audit trail"),
    "audit.sealed": _("%(actor)s moved the events %(after.first)s to %(after.last)s into a sealed file"),
    "audit.verified": _("%(actor)s verified the audit chain"),
    "files.file_added": _("%(actor)s added the file %(target)s"),
    "files.file_changed": _("%(actor)s changed the file %(target)s"),
    "files.file_purged": _("The bytes of the file %(target)s were removed for good"),
    "files.file_removed": _("%(actor)s removed the file %(target)s"),
    "files.file_restored": _("%(actor)s brought the file %(target)s back"),
    "files.quota_set": _("%(actor)s set how much %(target)s may keep"),
    "inference.deployed": _("%(actor)s deployed %(after.version)s as %(target)s"),
    "inference.deployment_deleted": _("%(actor)s deleted the deployment %(target)s"),
    "inference.deployment_described": _("%(actor)s described the deployment %(target)s"),
    "inference.deployment_disabled": _("%(actor)s took the deployment %(target)s out of service"),
    "inference.deployment_enabled": _("%(actor)s put the deployment %(target)s into service"),
    "inference.server_added": _("%(actor)s made the server %(target)s known, on which models run"),
    "inference.server_changed": _("%(actor)s changed the server %(target)s, on which models run"),
    "inference.server_removed": _("%(actor)s removed the server %(target)s, on which models ran"),
    "inference.canary_started": _("%(actor)s started a canary in %(target)s: %(after.routes)s"),
    "inference.canary_stepped": _("The canary in %(target)s was given more calls: %(after.routes)s"),
    "inference.canary_stopped": _("The canary in %(target)s was stopped: %(after.routes)s"),
    "inference.promoted": _("%(actor)s promoted %(after.version)s in %(target)s"),
    "inference.rolled_back": _("%(actor)s rolled %(target)s back to %(after.version)s"),
    "inference.route_ended": _("%(actor)s ended a canary or shadow in %(target)s: %(after.routes)s"),
    "inference.shadow_started": _("%(actor)s started a shadow in %(target)s: %(after.routes)s"),
    "inference.async_cancelled": _("%(actor)s cancelled the asynchronous prediction %(target)s"),
    "inference.batch_deleted": _("%(actor)s deleted the batch run %(target)s"),
    "inference.batch_started": _("%(actor)s started the batch run %(target)s"),
    "datasets.dataset_archived": _("%(actor)s archived the dataset %(target)s"),
    "datasets.dataset_changed": _("%(actor)s changed the dataset %(target)s"),
    "datasets.dataset_created": _("%(actor)s made the dataset %(target)s"),
    "datasets.dataset_restored": _("%(actor)s took the dataset %(target)s out of the archive"),
    "feedback.data_begun": _("%(actor)s began to make %(target)s from reviewed items"),
    "feedback.import_begun": _("%(actor)s began to bring in feedback from %(target)s"),
    "feedback.imported": _("%(actor)s brought in feedback from %(target)s"),
    "feedback.end_user_erased": _("%(actor)s erased what an end user has said (%(after.feedback)s)"),
    "feedback.expired": _("%(after.feedback)s pieces of feedback were deleted, their time was over"),
    "feedback.golden_made": _("%(actor)s made a golden item in %(after.queue)s"),
    "feedback.item_left_out": _("%(actor)s left %(target)s out of review"),
    "feedback.item_reassigned": _("%(actor)s put %(target)s before %(after.reviewer)s instead of %(before.reviewer)s"),
    "feedback.item_released": _("%(actor)s took %(target)s from before %(after.reviewer)s"),
    "feedback.item_settled": _("%(actor)s settled %(target)s"),
    "feedback.item_taken_back": _("%(actor)s put %(target)s back into review"),
    "feedback.items_added": _("%(actor)s put %(after.items)s items into the review queue %(target)s"),
    "feedback.queue_changed": _("%(actor)s changed the review queue %(target)s"),
    "feedback.queue_closed": _("%(actor)s closed the review queue %(target)s"),
    "feedback.queue_created": _("%(actor)s made the review queue %(target)s"),
    "feedback.queue_deleted": _("%(actor)s deleted the review queue %(target)s"),
    "feedback.queue_reopened": _("%(actor)s opened the review queue %(target)s again"),
    "feedback.items_exported": _("%(actor)s exported the items of %(target)s"),
    "feedback.answers_imported": _("%(actor)s settled items of %(target)s by answers from elsewhere"),
    "datasets.import_begun": _("%(actor)s began an import into %(target)s"),
    "datasets.preprocessing_begun": _("%(actor)s began to make %(target)s"),
    "datasets.version_exported": _("%(actor)s exported %(target)s"),
    "datasets.version_failed": _("%(target)s was not made"),
    "datasets.version_sealed": _("%(target)s is whole and sealed"),
    "datasets.recipe_archived": _("%(actor)s archived the recipe %(target)s"),
    "datasets.recipe_changed": _("%(actor)s changed the words of the recipe %(target)s"),
    "datasets.recipe_created": _("%(actor)s made the recipe %(target)s"),
    "datasets.recipe_restored": _("%(actor)s restored the recipe %(target)s"),
    "datasets.recipe_run": _("%(actor)s ran the recipe %(target)s on %(after.of)s: it makes %(after.makes)s"),
    "datasets.recipe_saved": _("%(actor)s saved version %(after.version)s of the recipe %(target)s"),
    "inference.files_signed": _("%(actor)s signed an address from which the files of %(target)s can be fetched"),
    "inference.version_measured": _("%(target)s was measured for %(actor)s"),
    "inference.version_settings_changed": _("%(actor)s changed how %(target)s runs"),
    "inference.weights_set": _("%(actor)s changed the shares in %(target)s: %(after.routes)s"),
    "jobs.cancelled": _("%(actor)s cancelled the job %(target)s"),
    "jobs.retried": _("%(actor)s had the job %(target)s tried again"),
    "jobs.schedule_added": _("%(actor)s made the schedule %(target)s"),
    "jobs.schedule_changed": _("%(actor)s changed when the schedule %(target)s runs"),
    "jobs.schedule_paused": _("%(actor)s paused the schedule %(target)s"),
    "jobs.schedule_removed": _("%(actor)s deleted the schedule %(target)s"),
    "jobs.schedule_resumed": _("%(actor)s resumed the schedule %(target)s"),
    "jobs.schedule_run": _("%(actor)s had the schedule %(target)s run at once"),
    "notify.channel_added": _("%(actor)s added the mailbox %(target)s"),
    "notify.channel_changed": _("%(actor)s changed the mailbox %(target)s"),
    "notify.channel_removed": _("%(actor)s removed the mailbox %(target)s"),
    "notify.replayed": _("%(actor)s sent the notice %(target)s once more"),
    "notify.secret_rotated": _("%(actor)s gave the webhook %(target)s a new secret"),
    "notify.tested": _("%(actor)s sent a test to %(target)s"),
    "notify.webhook_added": _("%(actor)s added the webhook %(target)s"),
    "notify.webhook_changed": _("%(actor)s changed the webhook %(target)s"),
    "notify.webhook_disabled": _("the webhook %(target)s was taken out of use"),
    "notify.webhook_removed": _("%(actor)s removed the webhook %(target)s"),
    "registry.alias_deleted": _("%(actor)s removed the alias %(target)s"),
    "registry.alias_protected": _("%(actor)s protected the alias %(target)s"),
    "registry.alias_rolled_back": _("%(actor)s rolled the alias %(target)s back"),
    "registry.alias_rule_changed": _("%(actor)s changed who may move the alias %(target)s"),
    "registry.evaluation_begun": _("%(actor)s began the evaluation %(target)s"),
    "registry.evaluation_deleted": _("%(actor)s deleted the evaluation %(target)s"),
    "registry.gate_changed": _("%(actor)s changed the gate of %(target)s"),
    "registry.alias_set": _("%(actor)s set the alias %(target)s"),
    "registry.alias_unprotected": _("%(actor)s took the protection of the alias %(target)s away"),
    "registry.approval_approved": _("%(actor)s approved, as the last who was needed: %(target)s"),
    "registry.approval_asked": _("%(actor)s asked for approval: %(target)s"),
    "registry.approval_expired": _("Nobody decided in time: %(target)s"),
    "registry.approval_given": _("%(actor)s approved: %(target)s"),
    "registry.approval_rejected": _("%(actor)s rejected: %(target)s"),
    "registry.approval_used": _("%(actor)s carried out what was approved: %(target)s"),
    "registry.approval_withdrawn": _("%(actor)s withdrew the request: %(target)s"),
    "registry.artifact_put": _("%(actor)s put the artifact %(target)s"),
    "registry.artifacts_deleted": _("%(actor)s deleted the artifacts at %(target)s"),
    "registry.model_changed": _("%(actor)s changed the model %(target)s"),
    "registry.model_deleted": _("%(actor)s deleted the model %(target)s"),
    "registry.model_purged": _("%(actor)s removed the model %(target)s for good"),
    "registry.model_restored": _("%(actor)s brought the model %(target)s back"),
    "registry.model_registered": _("%(actor)s registered the model %(target)s"),
    "registry.model_renamed": _("%(actor)s renamed the model %(before.name)s to %(after.name)s"),
    "registry.stage_set": _("%(actor)s put %(target)s into the stage %(after.stage)s"),
    "registry.purge_asked": _("%(actor)s asked for the model %(target)s to be removed for good"),
    "registry.tag_deleted": _("%(actor)s removed a tag from %(target)s"),
    "registry.tag_set": _("%(actor)s tagged %(target)s"),
    "registry.training_data_recorded": _("%(actor)s noted what %(target)s was trained on"),
    "registry.version_added": _("%(actor)s added the version %(target)s"),
    "registry.version_archived": _("%(actor)s archived %(target)s"),
    "registry.version_changed": _("%(actor)s changed the version %(target)s"),
    "registry.version_deleted": _("%(actor)s deleted the version %(target)s"),
    "registry.version_passed": _("%(target)s passed its check"),
    "registry.version_purged": _("%(actor)s removed the version %(target)s for good"),
    "registry.version_rechecked": _("%(actor)s had %(target)s checked again"),
    "registry.version_restored": _("%(actor)s brought the version %(target)s back"),
    "registry.version_trusted": _("%(actor)s trusted %(target)s, which is a program"),
    "registry.version_unchecked": _("The check of %(target)s ended without a result"),
}
# The same where it was tried and not done.
REFUSALS: Words = {
    "accounts.logged_in": _("Somebody tried to log in as %(target)s and failed"),
    "accounts.recovery_code_used": _("%(actor)s gave a wrong recovery code"),
    "accounts.second_factor_checked": _("%(actor)s gave a wrong second factor"),
    "accounts.session_refreshed": _("A used refresh token of %(actor)s came again; the session was ended"),
    "audit.verified": _("%(actor)s verified the audit chain and found it broken at event %(after.first_bad)s"),
    "files.upload_refused": _("The upload of %(target)s by %(actor)s was refused"),
    "inference.deployment_deleted": _("%(actor)s tried to delete the deployment %(target)s"),
    "registry.alias_removal_refused": _("%(actor)s tried to take %(after.name)s from %(target)s"),
    "registry.alias_rule_changed": _("%(actor)s tried to change who may move the alias %(after.name)s"),
    "registry.approval_given": _("%(actor)s tried to decide: %(target)s"),
    "registry.model_renamed": _("%(actor)s tried to give the model %(target)s another name"),
    "registry.promotion_refused": _("%(actor)s tried to give %(after.name)s to %(target)s"),
    "registry.version_added": _("%(actor)s sent a version of %(target)s that was refused"),
    "registry.version_refused": _("%(target)s did not pass its check"),
}


def sentence(event: AuditEvent, names: Mapping[str, str] | None = None) -> str:
    """Give what happened, with its reason; `names` of `names_of` spare a query for each event."""
    if names is None:
        names = names_of(references_in(event))
    words = (REFUSALS if event.outcome != "done" else ACTIONS).get(event.action)
    parts = _Parts(event, names)
    said = str(words) % parts if words else _any(event, parts)
    said = settle_particles(said)
    return f"{said}: {spoken(event.reason, names)}" if event.reason else said


def references_in(event: AuditEvent) -> list[str]:
    """Give the references of the people and addresses that an event names."""
    texts = [event.actor, event.target_label, event.reason, event.address, str(event.before), str(event.after)]
    return [reference for text in texts for reference in REFERENCE.findall(text)]


def spoken(text: str, names: Mapping[str, str]) -> str:
    """Give a text with references replaced by names; of those never known only the beginning is told."""
    return REFERENCE.sub(lambda found: _name(found[0], names), text)


def told(value: Any, names: Mapping[str, str]) -> Any:
    """Give a value of `before` or `after` with references replaced by names."""
    if isinstance(value, str):
        return spoken(value, names)
    if isinstance(value, list):
        return [told(inner, names) for inner in value]
    return {key: told(inner, names) for key, inner in value.items()} if isinstance(value, dict) else value


def actor_of(event: AuditEvent, names: Mapping[str, str]) -> str:
    """Give who acted, in words: a person by name, a part of the system as people call it."""
    return actor_name(spoken(event.actor, names))


def _doer(event: AuditEvent, names: Mapping[str, str]) -> str:
    """Give who acted as a sentence names them, so that whatever follows the name fits it."""
    said = actor_of(event, names)
    if REFERENCE.fullmatch(event.actor):
        return pgettext("who did it", "%(person)s") % {"person": said}
    return pgettext("what did it", "%(program)s") % {"program": said} if said == event.actor else said


class _Parts(dict[str, Any]):
    """What a sentence may ask for; a part that an event does not hold reads as a dash."""

    def __init__(self, event: AuditEvent, names: Mapping[str, str]) -> None:
        super().__init__(
            actor=_doer(event, names),
            target=spoken(event.target_label, names) or event.target_id or "—",
        )
        for side in ("before", "after"):
            values = getattr(event, side)
            self.update({f"{side}.{key}": _text(value, names) for key, value in values.items()})

    def __missing__(self, key: str) -> str:
        return "—"


def _any(event: AuditEvent, parts: _Parts) -> str:
    verb = event.action.replace("_", " ").replace(".", ": ")
    tail = (
        "" if event.outcome == "done" else f" ({gettext('refused') if event.outcome == 'refused' else event.outcome})"
    )
    return f"{parts['actor']}: {verb} {parts['target']}{tail}"


def _name(reference: str, names: Mapping[str, str]) -> str:
    kind, _colon, digest = reference.partition(":")
    words = gettext("person %(reference)s") if kind == "person" else gettext("address %(reference)s")
    return names.get(reference) or words % {"reference": digest[:8]}


def _text(value: object, names: Mapping[str, str]) -> str:
    text = ", ".join(map(str, value)) or "—" if isinstance(value, list) else str(value)
    return spoken(text, names)
