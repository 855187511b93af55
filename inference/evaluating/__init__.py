"""A version over rows whose right answers are known."""

# Of rows to look at; the later ones are told by another version beside it.
COMPARED = ("became_right", "became_wrong", "nearer", "further")
KINDS = ("wrong", "right", "unanswered", "unlabelled", *COMPARED)
