"""What is said of a canary, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, ngettext

from common.display import duration, percent, thousands
from common.korean import settle_particles
from inference.traffic.judging import Guard, Numbers, Verdict


def verdict_words(verdict: Verdict, canary: str, live: str) -> str:
    """Say what a canary has answered so far, how that compares, and how much is missing."""
    if not verdict.canary.requests:
        return gettext("%(canary)s has not answered a call yet.") % {"canary": canary}
    said = [_answered(verdict, canary), _against(verdict.canary, verdict.live)]
    return settle_particles(f"{'; '.join(part for part in said if part)}{_outcome(verdict, live)}")


def _answered(verdict: Verdict, canary: str) -> str:
    count = verdict.canary.requests
    words = ngettext("%(canary)s answered %(count)s call", "%(canary)s answered %(count)s calls", count)
    return words % {"canary": canary, "count": thousands(count)}


def _against(canary: Numbers, live: Numbers) -> str:
    if not live.requests:
        return gettext("the live version has answered none to compare with")
    errors = {"own": percent(canary.error_rate), "live": percent(live.error_rate)}
    said = [gettext("errors %(own)s against %(live)s") % errors]
    if canary.p95_ms is not None and live.p95_ms is not None:
        times = {"own": duration(canary.p95_ms), "live": duration(live.p95_ms)}
        said.append(gettext("p95 %(own)s against %(live)s") % times)
    return ", ".join(said)


def _outcome(verdict: Verdict, live: str) -> str:
    if verdict.state == "stopped":
        return f": {reason_words(verdict.reason)}"
    if verdict.state == "good":
        return ": " + gettext("as good as %(live)s.") % {"live": live}
    needed = ngettext(
        "no sign of harm; %(count)s more call until it can be judged.",
        "no sign of harm; %(count)s more calls until it can be judged.",
        verdict.needed,
    )
    return ": " + needed % {"count": thousands(verdict.needed)}


def progress(verdict: Verdict) -> float:
    """Give how much of what a verdict needs is there, in percent."""
    have = verdict.canary.requests
    return 100.0 * have / (have + verdict.needed) if have else 0.0


def reason_words(reason: Mapping[str, Any]) -> str:
    """Say why a canary was stopped."""
    code = reason.get("code", "")
    if code == "errors":
        told = gettext("at least %(least)s of its calls fail, of the live version's at most %(most)s")
        return told % {"least": percent(reason["at_least"]), "most": percent(reason["live_at_most"])}
    if code == "latency":
        told = gettext("at least %(least)s of its calls take longer than %(limit)s, of the live version's 5 %% at most")
        return told % {"least": percent(reason["slower_at_least"]), "limit": duration(reason["limit_ms"])}
    if code in ("drift_labels", "drift_scores"):
        told = gettext("its scores lie elsewhere than the live version's (index %(index)s, allowed %(limit)s)")
        if code == "drift_labels":
            told = gettext("its labels are others than the live version's (index %(index)s, allowed %(limit)s)")
        return told % {"index": f"{reason['index']:.2f}", "limit": f"{reason['limit']:.2f}"}
    return gettext("it could not be loaded") if code == "not_loaded" else str(code)


def guard_words(guard: Guard) -> str:
    """Say when a canary is stopped, and how it grows by itself."""
    said = gettext(
        "It is stopped by itself if %(errors)s more of its calls fail, if it is %(factor)s times as slow, or if its "
        "answers drift."
    ) % {"errors": percent(guard.error_rate), "factor": f"{guard.latency_factor:g}"}
    if guard.steps:
        grown = gettext("Without harm it grows to %(steps)s %%, a step every %(minutes)s min.") % {
            "steps": " → ".join(map(str, guard.steps)),
            "minutes": f"{guard.step_minutes:g}",
        }
        said = f"{said} {grown}"
    return said
