"""Refuses a commit message that breaks the rules of CONTRIBUTING.md: `python tools/check_commit_message.py FILE`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LONGEST_SUBJECT = 72
GENERATED = ("Merge ", "Revert ", "fixup! ", "squash! ")
AREA = re.compile(r"^[a-z][a-z0-9_./-]*: ")
NOT_IMPERATIVE = re.compile(r"^\w+(ed|ing)$")
IMPERATIVE = {"embed", "feed", "need", "proceed", "seed", "shed", "speed", "bring", "ring", "string"}
LIKE_ROWS = re.compile(r"\([A-Za-z]+-?\d[^()]*\)$")
ROWS = re.compile(r"\([A-Z]{2}-\d+(, [A-Z]{2}-\d+)*\)$")


def problems(message: str) -> list[str]:
    """Give what is wrong with a message, one sentence each."""
    lines = [line.rstrip() for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if subject.startswith(GENERATED):
        return []
    found = subject_problems(subject)
    if len(lines) > 1 and lines[1]:
        found.append("The second line must be empty.")
    return found


def subject_problems(subject: str) -> list[str]:
    """Give what is wrong with the first line."""
    if not subject.strip():
        return ["The first line must say what the commit does."]
    found = []
    if len(subject) > LONGEST_SUBJECT:
        found.append(f"The first line has {len(subject)} characters; the limit is {LONGEST_SUBJECT}.")
    if subject.endswith("."):
        found.append("The first line ends without a full stop.")
    verb = AREA.sub("", subject).split(" ")[0]
    if NOT_IMPERATIVE.match(verb) and verb.lower() not in IMPERATIVE:
        found.append(f'Say what the commit does, "add" and not "added" or "adding": {verb!r}.')
    if " " not in AREA.sub("", subject).strip():
        found.append("One word is not enough to say what the commit does.")
    if LIKE_ROWS.search(subject) and not ROWS.search(subject):
        found.append("Rows are named at the end like this: (FL-6) or (FL-6, BX-2).")
    return found


def main() -> int:
    """Check the message in the file that git names."""
    found = problems(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
