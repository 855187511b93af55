from __future__ import annotations

import inspect
import re

from datasets.steps.base import Step, kinds

_ASKED = re.compile(r"\b(compiled|converted|fitting|local|instant|beginning|make_aware)\(")


def test_step_when_its_code_asks_for_the_calendar_then_it_says_so():
    for name, kind in kinds().items():
        code = "".join(inspect.getsource(one) for one in kind.__mro__ if issubclass(one, Step))
        assert kind.has_calendar is bool(_ASKED.search(code)), name
