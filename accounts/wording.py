"""What credentials and the provider of sign-in are refused with."""

from django.utils.translation import gettext_noop as _

from common.wording import learn

learn(
    (
        _("an API key or token is needed (Authorization: Bearer …)"),
        _("two credentials that differ were sent; send one"),
        _("two credentials were sent; send one"),
        _("this is no credential of ours"),
        _("the Basic credential is not base64"),
        _("Basic carries an API key as its password; people log in at /api/v1/auth/token"),
        _("the API key is mistyped: its checksum does not fit"),
        _("the API key is not known, or no longer"),
        _("the API key has expired"),
        _("the token is not good"),
        _("the token has expired"),
        _("the session has ended"),
        _("the application of this token is not known, or no longer"),
        _("the key that signed the token is not known, or no longer"),
        _("this key is for its deployments only: %(why)s"),
        _("this key is for its deployments only"),
        _("the source holds what all of them were asked"),
        _("notices tell of all of them"),
        _("the provider names an address without TLS: %(url)s"),
        _("the provider names an address without TLS"),
        _("the provider leads elsewhere"),
        _("the provider's answer is too long, or too slow"),
        _("the provider says that it is another one"),
        _("the provider does not answer: %(why)s"),
        _("the provider's answer is not good: %(why)s"),
        _("the provider does not say who it is"),
        _("the answer is of another provider"),
        _("not asked for by this browser, or too long ago"),
        _("the token is not good, or no longer"),
    )
)
