"""Credentials, found by the patterns of detect-secrets and by names such as `password` that a value is given to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from detect_secrets.filters.heuristic import is_prefixed_with_dollar_sign, is_sequential_string, is_templated_secret
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from rails.library import register_validator
from rails.spans import Span, SpanValidator


class PlatformKeyDetector(RegexBasedDetector):
    """Keys whose prefix names their issuer, where detect-secrets has no pattern or an outdated one."""

    secret_type = "API key"  # noqa: S105 - what it is called, not one
    denylist = (
        re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
        re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
        re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
        re.compile(r"\blsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
        re.compile(r"\bgithub_pat_\w{22,}"),
        re.compile(r"\bnpm_[A-Za-z0-9]{36}"),
        re.compile(r"(?<=Bearer )[A-Za-z0-9._~+/-]{20,}=*"),
    )


DETECTORS: tuple[tuple[str, RegexBasedDetector], ...] = (
    ("AWS key", AWSKeyDetector()),
    ("Azure key", AzureStorageKeyDetector()),
    ("Discord token", DiscordBotTokenDetector()),
    ("GitHub token", GitHubTokenDetector()),
    ("GitLab token", GitLabTokenDetector()),
    ("Mailchimp key", MailchimpDetector()),
    ("API key", PlatformKeyDetector()),
    ("PyPI token", PypiTokenDetector()),
    ("SendGrid key", SendGridDetector()),
    ("Slack token", SlackDetector()),
    ("Square token", SquareOAuthDetector()),
    ("Stripe key", StripeDetector()),
    ("Telegram token", TelegramBotTokenDetector()),
    ("Twilio key", TwilioKeyDetector()),
)

URL_LOGIN = re.compile(r"(?<=://)[^\s:/?#@]{1,100}:[^\s/?#@]{1,100}(?=@)")
WEB_TOKEN = re.compile(r"\beyJ[\w=-]+\.[\w=-]+(?:\.[\w+/=-]*)?")

PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)

ASSIGNMENT = re.compile(
    r"""(?ix)
    (?: passw(?:or)?[dt] | kennwort | contraseña | passphrase | passcode | pwd | secret | token(?!i[sz]) | credentials?
      | (?:api|auth|access|account|service|client|private|encryption|signing)[_ -]?key )
    [\w-]{0,20} ["'`\]]{0,2} \s{0,3} (?: := | => | ==? | : | \s(?:is|ist|es)\s ) \s{0,3} ["'`]?
    (?P<value> [^\s"'`<>]{6,200} )
    """
)

CLOSING_PUNCTUATION = ".,;:!?)]}"
RANDOM_BITS = 3.0
"""Shannon entropy per character above which a value of letters alone looks drawn at random."""
RANDOM_LENGTH = 16
CALL = re.compile(r"[\w.]*\(")
WHOLE_WORD = re.compile(r"[a-z]+(?:[-_/.][a-z]+)*", re.IGNORECASE)


@register_validator(name="parley/secrets", data_type="string")
class Secrets(SpanValidator):
    """Finds credentials. Hashes and UUIDs that nothing calls a secret are left alone."""

    def find(self, text: str) -> Iterable[Span]:
        yield from (Span(*match.span(), "private key") for match in PRIVATE_KEY.finditer(text))
        yield from (Span(*match.span(), "login") for match in URL_LOGIN.finditer(text))
        yield from _known_patterns(text)
        yield from _web_tokens(text)
        yield from _assigned_values(text)


def _known_patterns(text: str) -> Iterator[Span]:
    for label, detector in DETECTORS:
        for pattern in detector.denylist:
            yield from (Span(*match.span(), label) for match in pattern.finditer(text))


def _web_tokens(text: str) -> Iterator[Span]:
    for match in WEB_TOKEN.finditer(text):
        if JwtTokenDetector.is_formally_valid(match.group()):
            yield Span(*match.span(), "web token")


def _assigned_values(text: str) -> Iterator[Span]:
    entropy = Base64HighEntropyString()
    for match in ASSIGNMENT.finditer(text):
        value = match["value"].rstrip(CLOSING_PUNCTUATION)
        if _looks_chosen(value) or (len(value) >= RANDOM_LENGTH and _looks_random(value, entropy)):
            yield Span(match.start("value"), match.start("value") + len(value), "secret")


def _looks_chosen(value: str) -> bool:
    """Whether a value is mixed as people and generators mix passwords: letters with digits, no placeholder."""
    has_both = any(c.isalpha() for c in value) and any(c.isdigit() for c in value)
    return has_both and len(value) >= 6 and not _is_placeholder(value)


def _looks_random(value: str, entropy: Base64HighEntropyString) -> bool:
    if WHOLE_WORD.fullmatch(value) or _is_placeholder(value):
        return False
    return entropy.calculate_shannon_entropy(value) > RANDOM_BITS


def _is_placeholder(value: str) -> bool:
    return (
        is_templated_secret(value)
        or is_prefixed_with_dollar_sign(value)
        or is_sequential_string(value)
        or value.startswith(("http://", "https://", "{", "[", "!["))
        or CALL.match(value) is not None
    )
