"""What reviews and files of other programs are refused with."""

from django.utils.translation import gettext_noop as _

from common.wording import learn

learn(
    (
        _("there is no user %(name)s"),
        _("there is no such user"),
        _("there is no such item"),
        _("responses are no object"),
        _("a response has no value"),
        _("%(name)s is missing, or no text"),
        _("%(name)s is no list"),
        _("data is missing: this is no task of Label Studio"),
        _("a result is not of the type %(type)s"),
        _("a result holds not one answer"),
        _("an annotation is no object"),
    )
)
