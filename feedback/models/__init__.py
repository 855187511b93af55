"""What people say of answers, and how it is reviewed."""

from feedback.models.feedback import Feedback, FeedbackRevision
from feedback.models.queues import GoldenAnswer, ReviewItem, ReviewQueue
from feedback.models.reviews import Review, ReviewLock

__all__ = [
    "Feedback",
    "FeedbackRevision",
    "GoldenAnswer",
    "Review",
    "ReviewItem",
    "ReviewLock",
    "ReviewQueue",
]
