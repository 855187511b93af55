"""Where personal data stands in a text: numbers with their check digits, addresses and names, Korean and general."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _

# Kind: the labels of ko-pii, what people call it, and the word that stands in the text instead (data: always Korean).
KINDS: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "resident": (("RRN", "FRN"), _("resident and alien registration numbers"), "주민등록번호"),
    "phone": (("PHONE", "FAX"), _("telephone numbers"), "전화번호"),
    "email": (("EMAIL",), _("e-mail addresses"), "이메일"),
    "card": (("CARD",), _("card numbers (with check digit)"), "카드번호"),
    "account": (("ACCOUNT",), _("bank accounts (beside a bank or the word account)"), "계좌번호"),
    "iban": (("IBAN",), _("IBAN (with check digits)"), "IBAN"),
    "business": (("BUSINESS_REG", "CORP_REG"), _("business and corporation registration numbers"), "사업자등록번호"),
    "passport": (("PASSPORT",), _("passport numbers"), "여권번호"),
    "licence": (("DRIVER_LICENSE",), _("driving licence numbers"), "운전면허번호"),
    "health": (("MEDICAL_INSURANCE",), _("health insurance numbers"), "건강보험증번호"),
    "vehicle": (("VEHICLE",), _("number plates"), "차량번호"),
    "ip": (("IP",), _("IP addresses"), "IP"),
    "address": (("ADDRESS",), _("postal addresses"), "주소"),
    "birth": (("DT_BIRTH",), _("dates of birth"), "생년월일"),
    "name": (("PERSON",), _("names of people"), "성명"),
}
USUAL = tuple(kind for kind in KINDS if kind not in {"birth", "name", "vehicle"})
_KIND_OF = {label: kind for kind, (labels, _label, _word) in KINDS.items() for label in labels}
_IN_WORDS = frozenset({"address", "name"})  # of which a text may have some without any digit

_FOREIGN_PHONE = re.compile(r"(?<![\w+])\+(?!82)[1-9](?:[ .\-]?\(?[0-9]\)?){7,14}(?![0-9])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
# Source: SWIFT, IBAN Registry: characters of an IBAN by country.
_LENGTHS = dict(
    re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27"
        "GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22"
        "MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28"
        "TL23TN24TR26UA29VA22VG24XK20YE30",
    )
)


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of a text and what it is; `label` is that of ko-pii."""

    kind: str
    label: str
    start: int
    end: int


class Finder:
    """Looks for some kinds."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._detectors = [one for kind in kinds for one in _detectors()[kind]]
        self._again = [one for kind in kinds if kind != "name" for one in _detectors()[kind]]
        self.may_have = (
            r"[\p{N}@]|\bat\b" if not _IN_WORDS.intersection(kinds) else r"[\p{N}@가-힣\x{1100}-\x{11FF}]|\bat\b"
        )

    def find(self, text: str) -> list[Found]:
        """Give what was found, in order and without overlaps.

        Digits that are written apart, full width, or with what nobody sees between them are found as well: the text is
        looked at as it is and folded, and a name only folded.
        """
        from ko_pii.core.overlap import resolve_overlaps  # noqa: PLC0415 - only where the step runs
        from ko_pii.core.unicode_norm import needs_normalization, normalize_unicode, remap_to_source  # noqa: PLC0415

        folded, offsets = normalize_unicode(text) if needs_normalization(text) else (text, [])
        raw = [one for detect in self._detectors for one in detect(folded)]
        if offsets:
            raw = remap_to_source(raw, offsets, text)
        if folded != text:
            raw += [one for detect in self._again for one in detect(text)]
        chosen = resolve_overlaps([one for one in raw if one.end > one.start])
        return [Found(_KIND_OF[one.label], one.label, one.start, one.end) for one in chosen]


@cache
def _detectors() -> dict[str, tuple[Callable[[str], Iterator[Any]], ...]]:
    from ko_pii.patterns import (  # noqa: PLC0415 - only where the step runs
        account,
        address,
        birth,
        business_reg,
        card,
        corp_reg,
        driver_license,
        email,
        fax,
        frn,
        ip,
        medical_insurance,
        passport,
        person,
        phone,
        rrn,
        vehicle,
    )

    return {
        "resident": (rrn.detect, frn.detect),
        "phone": (phone.detect, fax.detect, _foreign_phones),
        "email": (email.detect,),
        "card": (card.detect,),
        "account": (account.detect,),
        "iban": (_ibans,),
        "business": (business_reg.detect, corp_reg.detect),
        "passport": (passport.detect,),
        "licence": (driver_license.detect,),
        "health": (medical_insurance.detect,),
        "vehicle": (vehicle.detect,),
        "ip": (ip.detect,),
        "address": (address.detect,),
        "birth": (birth.detect,),
        "name": (person.detect,),
    }


def _foreign_phones(text: str) -> Iterator[Any]:
    """Find numbers with a country code but Korea's. Source: ITU-T E.164: 8 to 15 digits after the plus."""
    for found in _FOREIGN_PHONE.finditer(text):
        yield _detection("PHONE", found[0], found.start())


def _ibans(text: str) -> Iterator[Any]:
    """Find account numbers with right check digits. Source: ISO 13616-1, ISO/IEC 7064 MOD 97-10."""
    for found in _IBAN.finditer(text):
        length = int(_LENGTHS.get(found[0][:2], 0))
        places = [place for place, letter in enumerate(found[0]) if letter != " "]
        if not 0 < length <= len(places):
            continue
        piece = found[0][: places[length - 1] + 1]
        after = text[found.start() + len(piece) :][:1]
        compact = piece.replace(" ", "")
        if not after.isalnum() and int("".join(str(int(one, 36)) for one in compact[4:] + compact[:4])) % 97 == 1:
            yield _detection("IBAN", piece, found.start())


def _detection(label: str, text: str, start: int) -> Any:
    from ko_pii.core.types import DetectionResult, RiskLevel  # noqa: PLC0415

    return DetectionResult(label, text, start, start + len(text), RiskLevel.HIGH)
