"""A version over rows whose right answers are known."""

KINDS = ("wrong", "right", "unanswered", "unlabelled", "became_right", "became_wrong")  # of rows to look at
