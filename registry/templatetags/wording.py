"""Sentences of checks and models in the reader's language, for templates."""

from django import template

from registry.wording import in_words

register = template.Library()
register.filter("in_words", in_words)
