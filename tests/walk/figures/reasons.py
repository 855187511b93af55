"""Figures that open no rows, and why. What is not here has to lead to the rows behind it.

By page and by the label of the figure, in which `*` stands for anything.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

ONE_ROW = "a field of the one row that the page shows"
MEASURED = "measured by the machine, not counted from rows"
AUTHOR = "what the author of the version wrote"
SETTING = "a setting, chosen by a person"
BESIDE = "the figures that it compares stand beside it and open their rows"
ORDER = "a place in the order of all values, whose rows no search tells apart"
REASONS: dict[str, dict[str, str]] = {
    "audit_auditevent_change": {"*": ONE_ROW},
    "datasets_datasetversion_column": {
        "only white space, or empty": "no search asks for white space",
        "words a text": "an average over all texts",
        "tokens a text, about": "an average over all texts",
        "* %": ORDER,
        "smallest": ORDER,
        "largest": ORDER,
        "mean": "an average over all values",
        "standard deviation": "an average over all values",
        "": "a share of the texts that were looked at, as the line below says",
    },
    "feedback_feedback_change": {"Row": ONE_ROW},
    "feedback_reviewqueue_change": {"Reviewers per item": SETTING},
    "files_storedfile_change": {"Size": ONE_ROW},
    "inference_asynchronousprediction_change": {"Took": ONE_ROW},
    "inference_batchrun_change": {"Row": "the number of a row of the file", "Speed": MEASURED},
    "inference_inferencerequest_change": {"*": ONE_ROW},
    "inference_versionsettings_change": {"*": SETTING},
    "registry_aliasrule_change": {"Others who have to agree": SETTING},
    "registry_aliasrule_changelist": {"Others who agree": SETTING},
    "registry_approvalrequest_change": {"v*": AUTHOR},
    "registry_evaluation_change": {
        "*latency": "the evaluation keeps no times of single rows",
        "*of the differences are below": ORDER,
    },
    "registry_modelversion_change": {"Size": ONE_ROW},
    "registry_registeredmodel_compare": {"Difference": BESIDE, "v*": f"{AUTHOR}, or {MEASURED}"},
}


def fitting(page: str, label: str) -> list[str]:
    """Give the patterns that say why a figure opens no rows, none where it should."""
    return [pattern for pattern in REASONS.get(page, {}) if fnmatchcase(label, pattern)]
