"""The one table of who may what: roles are groups, written into the database after every migration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its name for people, whether it works in the admin, and what it may do."""

    label: str | Promise
    is_staff: bool
    permissions: frozenset[str]


def _of(app: str, codenames: str) -> frozenset[str]:
    return frozenset(f"{app}.{codename}" for codename in codenames.split())


_SELF = _of("accounts", "change_self view_apikey add_apikey revoke_apikey rotate_apikey view_session end_session")
_SEE_SERVING = (
    _of(
        "registry",
        "view_registeredmodel view_modelversion view_modelfile view_modelalias view_modeltag view_versiontag",
    )
    | _of("registry", "view_aliasrule view_approvalrequest")
    | _of("registry", "view_evaluation view_gatepolicy")
    | _of(
        "inference", "view_deployment view_route view_revision view_runnerstate view_metricwindow view_versionsettings"
    )
    | _of("jobs", "view_job view_schedule")
)
_SEE_CALLS = _of(
    "inference",
    "view_inferencerequest view_prediction view_any_inferencerequest view_shadowresult view_asynchronousprediction "
    "view_batchrun",
)
_SEE_FILES = _of("files", "view_blob view_storedfile view_shelf")
_SEE_DATA = _of(
    "datasets", "view_dataset view_datasetversion view_source view_recipe view_recipeversion view_preprocessingjob"
)
_OPERATE = (
    _of("registry", "add_registeredmodel change_registeredmodel delete_registeredmodel")
    | _of("registry", "add_modelversion change_modelversion archive_modelversion delete_modelversion")
    | _of("registry", "restore_registeredmodel")
    | _of("registry", "add_modelalias change_modelalias delete_modelalias")
    | _of("registry", "add_approvalrequest decide_approvalrequest")
    | _of("registry", "add_evaluation change_evaluation delete_evaluation")
    | _of("registry", "add_modeltag change_modeltag delete_modeltag add_versiontag change_versiontag delete_versiontag")
    | _of("inference", "add_deployment change_deployment delete_deployment")
    | _of("inference", "predict_deployment deploy_deployment disable_deployment cancel_asynchronousprediction")
    | _of("inference", "add_batchrun change_batchrun delete_batchrun change_versionsettings")
    | _of("feedback", "add_feedback import_feedback add_review adjudicate_reviewqueue")
    | _of("feedback", "add_reviewqueue change_reviewqueue delete_reviewqueue")
    | _of("jobs", "cancel_job retry_job add_schedule change_schedule delete_schedule run_schedule")
    | _of("files", "add_storedfile change_storedfile delete_storedfile add_shelf")
    | _of("notify", "test_channel test_webhook replay_delivery")
    | _of("datasets", "add_dataset change_dataset delete_dataset add_source change_source delete_source")
    | _of("datasets", "add_datasetversion change_datasetversion export_datasetversion")
    | _of("datasets", "add_recipe change_recipe delete_recipe run_recipe")
)
_SEE_FEEDBACK = _of("feedback", "view_feedback view_reviewqueue view_review")
_SEE_ITEMS = _of("feedback", "view_reviewitem view_goldenanswer")
_SEE_ELSEWHERE = _of("inference", "view_remoteserver view_remotemodel")
_SEE_NOTICES = _of("notify", "view_channel view_webhook view_delivery")
_SEE_AUDIT = _of("audit", "view_auditevent view_auditperson verify_auditevent export_auditevent")
_RULE_PEOPLE = (
    _of("accounts", "view_user add_user change_user reset_secondfactor manage_any_apikey manage_any_session")
    | _of("accounts", "view_signingkey rotate_signingkey")
    | _of("audit", "erase_auditperson")
    | _of("auth", "view_group")
    | _of("registry", "trust_modelversion purge_registeredmodel")
    | _of("feedback", "erase_feedback")
    | _of("registry", "add_aliasrule change_aliasrule delete_aliasrule change_gatepolicy")
    | _of("inference", "add_remoteserver change_remoteserver delete_remoteserver")
    | _of("notify", "add_channel change_channel delete_channel add_webhook change_webhook delete_webhook")
    | _of("files", "view_quota change_quota view_any_storedfile")
)
_SEE_WORK = _SEE_SERVING | _SEE_CALLS | _SEE_FILES | _SEE_DATA | _SEE_FEEDBACK | _SEE_ITEMS
_OPERATOR = _SELF | _SEE_WORK | _SEE_ELSEWHERE | _SEE_NOTICES | _OPERATE

ROLES: Mapping[str, Role] = {
    "administrator": Role(_("administrator"), True, _OPERATOR | _SEE_AUDIT | _RULE_PEOPLE),
    "operator": Role(_("operator"), True, _OPERATOR),
    "reviewer": Role(
        _("reviewer"),
        True,
        _SELF
        | _SEE_SERVING
        | _SEE_CALLS
        | _SEE_DATA
        | _SEE_FEEDBACK
        | _of("feedback", "add_feedback add_review")
        | _of("inference", "predict_deployment")
        | _of("files", "view_shelf"),
    ),
    "auditor": Role(
        _("auditor"),
        True,
        _SELF
        | _SEE_SERVING
        | _SEE_CALLS
        | _SEE_FILES
        | _SEE_DATA
        | _SEE_FEEDBACK
        | _SEE_ITEMS
        | _SEE_ELSEWHERE
        | _SEE_NOTICES
        | _SEE_AUDIT
        | _of("accounts", "view_user view_signingkey")
        | _of("auth", "view_group"),
    ),
    "client": Role(
        _("client application"),
        False,
        _SELF
        | _of("inference", "view_deployment predict_deployment view_inferencerequest view_prediction")
        | _of("inference", "view_asynchronousprediction")
        | _of("feedback", "view_feedback add_feedback")
        | _of("files", "view_shelf add_shelf"),
    ),
}
ROLE_NAMES = list(ROLES)
ADMINISTRATOR = "administrator"


def sync_roles(*, app_config: AppConfig, **_signal: Any) -> None:
    """Make the groups hold exactly what the table says, once the last app has declared its permissions."""
    if app_config != [app for app in apps.get_app_configs() if app.models_module][-1]:
        return
    known = _permission_ids()
    for name, role in ROLES.items():
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.set([known[permission] for permission in role.permissions & known.keys()])


def unknown_permissions() -> set[str]:
    """Give the permissions of the table that no app declares; a test holds it empty."""
    return set().union(*(role.permissions for role in ROLES.values())) - _permission_ids().keys()


def _permission_ids() -> dict[str, int]:
    rows = Permission.objects.values_list("pk", "content_type__app_label", "codename")
    return {f"{app}.{codename}": key for key, app, codename in rows}
