"""Processes of models. No Django."""

import registry  # noqa: F401 - what is imported when the walls are built can be read behind them
