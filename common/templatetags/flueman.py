"""The words and pictures of `common/display.py` and `common/plots.py` for templates: `{% load flueman %}`."""

import shlex

from django import template

from common import display, plots

register = template.Library()
register.filter("ago", display.ago)
register.filter("moment", display.moment)
register.filter("name_of", display.name_of)
register.filter("size", display.size)
register.filter("duration", display.duration)
register.filter("thousands", display.thousands)
register.filter("percent", display.percent)
register.filter("person_name", display.person_name)
register.filter("scalar", display.scalar)
register.filter("tree", display.tree)
register.filter("copyable", display.copyable)
register.filter("code_block", display.code_block)
register.filter("quoted_for_shell", shlex.quote)
register.simple_tag(display.badge)
register.simple_tag(display.empty)
register.simple_tag(display.figure)
register.simple_tag(plots.sparkline)
register.simple_tag(plots.probabilities)
