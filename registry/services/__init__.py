"""Every write to the registry."""

from registry.services._state import check_jobs
from registry.services.alias_rules import protect_alias, unprotect_alias
from registry.services.aliases import delete_alias, rollback_alias, set_alias
from registry.services.approvals import carry_out, decide, expire_due, withdraw
from registry.services.asking import request_approval
from registry.services.checks import note_step, pass_check, refuse, release_checks, start_check
from registry.services.deletion import delete_model, delete_version, restore_model, restore_version
from registry.services.labels import delete_tag, set_tag
from registry.services.models import register_model, register_model_once, rename_model, update_model
from registry.services.purging import Weight, ask_purge, purge_expired, purge_model, purge_version, weigh
from registry.services.versions import (
    KeptFiles,
    add_version,
    archive_version,
    insert_version,
    keep_files,
    recheck,
    record_training_data,
    show_manifest,
    trust_version,
    update_version,
)

__all__ = [
    "KeptFiles",
    "Weight",
    "add_version",
    "archive_version",
    "ask_purge",
    "carry_out",
    "check_jobs",
    "decide",
    "delete_alias",
    "delete_model",
    "delete_tag",
    "delete_version",
    "expire_due",
    "insert_version",
    "keep_files",
    "note_step",
    "pass_check",
    "protect_alias",
    "purge_expired",
    "purge_model",
    "purge_version",
    "recheck",
    "record_training_data",
    "refuse",
    "register_model",
    "register_model_once",
    "release_checks",
    "rename_model",
    "request_approval",
    "restore_model",
    "restore_version",
    "rollback_alias",
    "set_alias",
    "set_tag",
    "show_manifest",
    "start_check",
    "trust_version",
    "unprotect_alias",
    "update_model",
    "update_version",
    "weigh",
    "withdraw",
]
