"""Rules that fill review queues: what there is, what each asks for, and which calls it picks.

Monitoring registers its own in `AppConfig.ready`; a kind that nobody has registered is not offered.
"""

from feedback.rules.base import (
    MOST_RULES,
    RULES,
    Chunk,
    Rule,
    RuleField,
    Source,
    clean,
    find,
    register,
    say,
)
from feedback.rules.judged import Corrected, LowRating, ThumbsDown
from feedback.rules.logged import LowScore, RandomSample
from feedback.rules.shadowed import Disagreement

for _rule in (ThumbsDown(), LowRating(), Corrected(), LowScore(), Disagreement(), RandomSample()):
    register(_rule)

__all__ = ["MOST_RULES", "RULES", "Chunk", "Rule", "RuleField", "Source", "clean", "find", "register", "say"]
