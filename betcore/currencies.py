"""How many decimals a currency has: ISO 4217 (list one, 2026), and others by configuration.

Currencies of ISO 4217 that stand for no money in a wallet (XXX, XTS, funds and metals) are left out.
"""

from functools import cache

from betcore.errors import Malformed
from betcore.settings import Settings

_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE
CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR
KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY
TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

ISO_4217 = dict.fromkeys(_TWO.split(), 2) | dict.fromkeys(_NONE.split(), 0) | dict.fromkeys(_THREE.split(), 3)


@cache
def _known() -> dict[str, int]:
    return ISO_4217 | Settings().crypto_currencies


def decimals(currency: str) -> int:
    """Digits after the decimal point of the currency's minor unit.

    Raises Malformed for a currency that is neither in ISO 4217 nor configured.
    """
    try:
        return _known()[currency]
    except KeyError:
        raise Malformed(f"unknown currency {currency!r}") from None
