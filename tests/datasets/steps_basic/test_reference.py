from __future__ import annotations

from tools.steps_reference import PAGE, reference


def test_reference_of_steps_when_compared_with_the_steps_then_current():
    assert PAGE.read_text() == reference(), "run: python tools/steps_reference.py"
