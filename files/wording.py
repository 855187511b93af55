"""What files and uploads are refused with."""

from django.utils.translation import gettext_noop as _

from common.wording import learn

learn(
    (
        _("a file may have at most %(most)s bytes"),
        _("there is no thumbnail of this file"),
        _("the form: %(why)s"),
        _("is no UTF-8"),
        _("nothing came"),
        _("a field may have at most %(most)s bytes"),
        _("more than the %(size)s bytes that were announced"),
        _("the upload does not stand at this offset"),
        _("another request has taken this upload over"),
        _("the file store does not keep what it is given"),
        _("the file store does not answer as it should"),
        _("the file store lacks the bytes of %(name)s"),
        _("no room is left in the file store"),
        _("there is no blob %(number)s"),
        _("nobody holds blob %(number)s"),
        _("there are %(count)s parts, %(number)s is none of them"),
        _("there are %(count)s parts"),
        _("this upload does not go straight to S3, or has ended"),
        _("must be from 1 to %(most)s"),
        _("is out of range"),
        _("there is no such upload"),
        _("there is no such part"),
        _("must name each part once, in order"),
        _("part %(number)s of %(count)s is missing"),
        _("part %(number)s has not come"),
        _("part %(number)s has another ETag"),
        _("part %(number)s is smaller than %(least)s bytes"),
        _("this upload takes no more parts"),
        _("the body ended early: this part was not kept"),
        _("its client has not said which parts it has"),
        _("%(received)s of %(size)s bytes are there"),
        _("%(name)s is no finished upload of yours"),
        _("must not be negative"),
        _("must be 64 hexadecimal digits"),
        _("must hold names and base64 of UTF-8"),
        _("must be base64"),
        _("the bytes of this upload are gone"),
    )
)
