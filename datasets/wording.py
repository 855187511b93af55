"""What datasets are refused with."""

from django.utils.translation import gettext_noop as _

from common.wording import learn

learn(
    (
        _("must be parquet or jsonl"),
        _("what differs is not found yet"),
        _("a new dataset needs datasets.add_dataset"),
        _("this kind of source needs %(permission)s"),
        _("there is no such source of this dataset"),
        _("there is no version %(number)s of this recipe"),
        _("%(version)s has no profile yet"),
        _("%(version)s is not sealed"),
        _("no room is left on the disk: %(why)s"),
        _("the Ray cluster could not do a piece of the work: %(why)s"),
        _("a node of the Ray cluster does not see %(path)s: share it"),
        _("the Ray cluster does not answer: %(why)s"),
        _("another process works there still"),
        _("the folder %(path)s is not empty, and was not written by an export"),
        _("a step must give the table that it was given, changed"),
    )
)
