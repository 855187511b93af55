"""The calendar of recipes: days, hours, and times that name no zone, are the installation's; instants stay in UTC."""

from __future__ import annotations

import polars as pl
from django.conf import settings


def local(moment: pl.Expr, zone: str = "") -> pl.Expr:
    """Give a time as clocks show it in a zone, without one in the installation's."""
    return moment.dt.convert_time_zone(zone or settings.TIME_ZONE)


def instant(shown: pl.Expr, zone: str = "") -> pl.Expr:
    """Give the time in UTC at which clocks show this: the first of two, missing where they never do."""
    there = shown.dt.replace_time_zone(zone or settings.TIME_ZONE, ambiguous="earliest", non_existent="null")
    return there.dt.convert_time_zone("UTC")


def beginning(day: pl.Expr, zone: str = "") -> pl.Expr:
    """Give the time in UTC at which a day begins: at one o'clock where clocks skip midnight, as in Korea in 1955."""
    midnight = day.cast(pl.Datetime("us"))
    return pl.coalesce(instant(midnight, zone), instant(midnight + pl.duration(hours=1), zone))
