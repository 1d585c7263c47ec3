"""How many decimals a currency has: ISO 4217 (list one, 2026), and those that the composition root adds.

The table of a process is set once, before the process parses or prints an amount: workflows print amounts, and code of
a workflow must read neither files nor the environment. Currencies of ISO 4217 that are no money in a wallet (XXX, XTS,
funds and metals) are left out.
"""

from collections.abc import Mapping

from betcore.domain.errors import Malformed

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


_known: Mapping[str, int] = ISO_4217


def configure(more: Mapping[str, int]) -> None:
    """Set the currencies of this process beyond ISO 4217, each with its decimals. Composition roots call it."""
    global _known
    _known = {**ISO_4217, **more}


def decimals(currency: str) -> int:
    """Return the digits after the decimal point of the currency's minor unit.

    Raises Malformed for a currency that is neither in ISO 4217 nor configured.
    """
    try:
        return _known[currency]
    except KeyError:
        raise Malformed(f"unknown currency {currency!r}") from None
