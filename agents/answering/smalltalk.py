"""Greetings, thanks and questions about the assistant itself: answered without searching."""

from __future__ import annotations

import re

_ADDRESS = r"(?: (?:there|parley|everyone|all|team|bot|assistant|you|so much|very much|a lot|again))*"
_ABILITIES = (
    "I answer questions from the documents that were given to me. I quote the sentences that answer, and each number "
    "opens its source. Where the documents don't answer, I say so. I don't know anything else."
)
_REPLIES = [
    (
        rf"(?:hi+|hello|hey+|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|hallo|guten tag|bonjour|hola)"
        rf"{_ADDRESS}(?: how are you(?: doing)?(?: today)?)?",
        "Hello! Ask me something, and I will look it up in the documents.",
    ),
    (
        r"(?:how are you|how is it going|how(?:'|’)?s it going)(?: doing)?(?: today)?",
        "All is well. What may I look up?",
    ),
    (
        rf"(?:ok |okay |great |perfect )?(?:thanks|thank you|thx|ty|many thanks|cheers|merci|danke|gracias){_ADDRESS}"
        r"(?: that helps| that helped)?",
        "You're welcome. Ask away if there is more.",
    ),
    (r"(?:ok(?:ay)?|great|perfect|nice|cool|got it|good|alright|understood|wow)", "Good. Ask away if there is more."),
    (rf"(?:bye|goodbye|good night|see you|see ya|ciao|farewell)(?: later)?{_ADDRESS}", "Goodbye!"),
    (
        r"help|(?:please )?help me|who are you|what are you|what is parley|what(?:'|’)?s parley"
        r"|are you (?:a (?:bot|robot|human|person)|human)|how (?:can|do) you (?:help(?: me)?|work)"
        r"|what (?:can|do) you do|what can (?:i|we) (?:ask|do)(?: you| here)?"
        r"|what can you (?:help|assist) (?:me )?with|how does this work",
        _ABILITIES,
    ),
]
_PATTERNS = [(re.compile(pattern), reply) for pattern, reply in _REPLIES]


def small_talk(message: str) -> str | None:
    """The reply to a message that is nothing but small talk; None for anything that should be looked up."""
    plain = " ".join(re.sub(r"[^\w\s'’]", " ", message.casefold()).split())
    return next((reply for pattern, reply in _PATTERNS if pattern.fullmatch(plain)), None)
