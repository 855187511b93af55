"""Every change of deployments and their traffic."""

from inference.services.canaries import advance, canary_standing, stop_canary
from inference.services.deployments import (
    STAMP,
    Actor,
    live_version,
    runner_of,
    set_enabled,
    update_deployment,
)
from inference.services.loading import note_failure, settle_routes
from inference.services.planned import let_serve
from inference.services.removal import delete_deployment
from inference.services.settings import (
    ask_measurement,
    keep_measurement,
    measurements_of,
    set_version_settings,
    settings_of,
)
from inference.services.shadows import ShadowFigures, forget_shadow_results, keep_shadow_results, shadow_standing
from inference.services.tallies import keep_tally
from inference.services.traffic import (
    NAME_LENGTH,
    deploy,
    end_route,
    promote,
    rollback,
    set_weights,
    start_canary,
    start_shadow,
)

__all__ = [
    "NAME_LENGTH",
    "STAMP",
    "Actor",
    "ShadowFigures",
    "advance",
    "ask_measurement",
    "canary_standing",
    "delete_deployment",
    "deploy",
    "end_route",
    "forget_shadow_results",
    "keep_measurement",
    "keep_shadow_results",
    "keep_tally",
    "let_serve",
    "live_version",
    "measurements_of",
    "note_failure",
    "promote",
    "rollback",
    "runner_of",
    "set_enabled",
    "set_version_settings",
    "set_weights",
    "settings_of",
    "settle_routes",
    "shadow_standing",
    "start_canary",
    "start_shadow",
    "stop_canary",
    "update_deployment",
]
