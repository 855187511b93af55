"""The intents of the demo and the sentences that ship with them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
TRAINING = FOLDER / "intent.tsv"
PATTERNS = FOLDER / "patterns.tsv"  # many sentences in one line: see `variations.expand`
HOLDOUT = FOLDER / "intent_holdout.tsv"  # never trained on, written apart from the training sentences

NAMES = {
    "greeting": "인사",
    "goodbye": "작별",
    "thanks": "감사·칭찬",
    "store_recommendation": "가게 추천",
    "opening_hours": "영업시간",
    "location": "위치·연락처",
    "price": "가격",
    "menu": "메뉴",
    "allergy": "알레르기·재료",
    "card_balance": "카드 잔액",
    "card_usage": "카드 사용·분실",
    "reservation": "예약",
    "cancel": "취소·변경",
    "story_request": "이야기 요청",
    "weather": "날씨",
    "complaint": "불만",
    "help": "도움말",
    "small_talk": "잡담",
    "comfort": "위로·고민",
    "out_of_scope": "그 밖의 말",
}


class Sentence(NamedTuple):
    """A sentence and what its speaker wants."""

    intent: str
    text: str


def read_sentences(path: Path) -> list[Sentence]:
    """Give the rows of a TSV file with a header."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Sentence(*line.split("\t")) for line in lines[1:]]
