"""What injected orders say and look like: the patterns behind the injection rail."""

from __future__ import annotations

import re
from typing import NamedTuple


class Signal(NamedTuple):
    """A mark of an injected order. The weights of the signals in a text add up; 1.0 is enough by itself."""

    name: str
    weight: float
    pattern: re.Pattern[str]


def _signal(name: str, weight: float, *alternatives: str) -> Signal:
    return Signal(name, weight, re.compile("|".join(f"(?:{one})" for one in alternatives), re.MULTILINE))


# Words that the patterns share. Texts are lower-cased, without markup, and have single blanks.
_DROP = (
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|neglect|overrid(?:e|ing)|overrule|"
    r"bypass|circumvent|discard)"
)
_OLD = (
    r"(?:previous(?:ly)?|prior|preceding|earlier|above|foregoing|former|past|initial|original|"
    r"existing|before)"
)
_ORDERS = (
    r"(?:instructions?|directions?|directives?|commands?|orders?|rules?|guidelines?|prompts?|programming|training"
    r"|guardrails?|restrictions?|constraints?|system messages?|system prompts?)"
)
_HIDDEN = r"(?:system|initial|hidden|secret|internal|original|developer|confidential|starting|preceding)"
_NO = (
    r"(?:no|not|never|without|zero|free (?:of|from)|lacks?|ignor\w+|bypass\w*|remov\w+|"
    r"disregard\w*|any|unbound by|don'?t have)"
)
_LIMITS = (
    r"(?:restrictions?|limitations?|limits|filters?|filtering|censorship|boundaries|"
    r"guidelines|rules|constraints|ethics|morals|morality)"
)

SIGNALS = (
    _signal(
        "instruction override",
        1.0,
        (
            rf"\b{_DROP} (?:all |any |every |each |everything )?(?:of )?(?:the |your |my |these |"
            rf"those |our )?(?:\w+ )?{_OLD}(?:,? (?:and|or) \w+)? (?:\w+ ){{0,2}}?{_ORDERS}\b"
        ),
        (
            rf"\b{_DROP} (?:all |any |every |each )?(?:of )?(?:the |your |my |these |"
            rf"those )?{_ORDERS} (?:you (?:were|have|had|are|got)|i (?:gave|have)|given to you|"
            rf"from above|above|before|so far)"
        ),
        rf"\b{_DROP} (?:all |any )?(?:of )?your (?:\w+ )?{_ORDERS}\b",
        (
            rf"\b{_DROP} (?:all|everything|anything|what)(?: that)?(?: (?:is|was|were|i|we|"
            rf"you)(?:'ve| have| were)?(?: been)? ?(?:said|told|written|wrote|given|"
            rf"learned)?)? ?(?:from |you know )?(?:above|before|previously|prior|earlier|until now|"
            rf"so far)\b"
        ),
        r"\b(?:your )?new (?:system )?(?:instructions|prompt|directives?|orders) (?:is|are|:)",
        (
            r"\bignorier\w* (?:alle|die|deine|saemtliche|sämtliche)\b.{0,30}\b(?:anweisung|"
            r"instruktion|regel|befehl|vorgabe)"
        ),
        r"\b(?:ignora|olvida|descarta)\b.{0,25}\b(?:instrucciones|reglas|indicaciones|ordenes|órdenes)\b",
        (
            r"\b(?:ignore[zr]?|oublie[zr]?)\b.{0,25}\b(?:instructions|consignes|règles|"
            r"regles)\b.{0,25}\b(?:précédente|precedente|antérieure|ci-dessus|données)"
        ),
        r"(?:忽略|无视|無視|忘记|忘掉).{0,12}(?:指令|指示|说明|提示|规则)",
    ),
    _signal(
        "system prompt request",
        1.0,
        (
            rf"\b(?:reveal|print|show|repeat|output|display|give|tell|disclose|leak|write|copy|paste|"
            rf"summari[sz]e|translate|recite|share|dump)\b(?: \w+){{0,4}}? (?:your (?:\w+ )?{_HIDDEN}|"
            rf"the (?:full |exact |entire |complete )?(?:system|hidden|developer))"
            rf" (?:\w+ )?(?:prompts?|instructions?|messages?)\b"
        ),
        (
            rf"\bwhat (?:is|are|was|were) (?:your (?:\w+ )?{_HIDDEN}|the (?:system|hidden|developer))"
            rf" (?:prompts?|instructions?)\b"
        ),
        (
            r"\b(?:repeat|print|output|copy|write|recite) (?:\w+ ){0,3}(?:everything|all|the (?:words|"
            r"text|lines?)) (?:\w+ ){0,2}(?:above|before|preceding)\b"
        ),
        r"\bwhat (?:were|are) you (?:told|instructed) (?:to do )?(?:before|above|in your prompt)",
    ),
    _signal(
        "jailbreak name",
        1.0,
        r"\bdo anything now\b",
        r"\bjail ?br(?:eak|oken)(?:ed|ing)? (?:mode|prompt|version|chatgpt|ai|gpt|response|output)",
        (
            r"\b(?:developer|dev|dan|god|sudo|debug|unrestricted|jailbreak|anti-?dan|evil|opposite|"
            r"uncensored) mode (?:\w+ ){0,2}?(?:enabled|activated|on\b|output|response|prompt|v\d)"
        ),
        (
            r"\b(?:enable|activate|enter|simulate|enabling|simulating) (?:the )?(?:\w+ )?(?:developer|"
            r"dan|god|sudo|jailbreak|unrestricted|evil) mode\b"
        ),
        (
            r"\b(?:act|acting|respond|answer|reply|behave|speak|roleplay|pretend|as) (?:as |to be |"
            r"like )?(?:an? |the )?(?:dan|stan|dude|aim|mongo tom|evil-?bot|antigpt|jailbot)\b"
            r"(?! (?:brown|marino))"
        ),
        r"\bstay a dan\b|\bcompletely a dan\b|\bdan \d+\.\d+\b",
        r"🔓|\bclassic\] ?🔒|\[🔒",
    ),
    _signal(
        "exfiltration link",
        1.0,
        r"!\[[^\]]{0,100}\]\(https?://[^)\s]{1,300}[?&/=](?:\{|\[|<|%7b|\$)",
        (
            r"\b(?:send|post|forward|transmit|upload|exfiltrate|email|leak|append|encode)\b"
            r"(?: \S+){0,8}? (?:conversation|chat history|user'?s (?:data|questions?|messages?)|"
            r"system prompt|retrieved (?:text|passages|"
            r"documents))(?: \S+){0,8}? (?:https?://|[\w.+-]+@)"
        ),
        (
            r"\b(?:render|include|insert|display|embed|add|load|fetch|open|visit|click)\b"
            r"(?: \S+){0,8}? (?:image|link|url)(?: \S+){0,10}?https?://\S+(?:\{|\[|<)"
        ),
    ),
    _signal(
        "order to the assistant",
        0.7,
        (
            r"\b(?:ai|llm|language model|chatbot|assistant|"
            r"model)s?(?: assistant| model| system)?(?: reading| processing| summari[sz]ing)(?: this)?\b"
        ),
        (
            r"\b(?:attention|note|message|instructions?|"
            r"important)(?: to| for|:)(?: the| any| all)? (?:ai|llm|chatbot|assistant|"
            r"language model)s?\b"
        ),
        (
            r"\b(?:when|if|before|while) (?:asked|summari[sz]ing|answering|responding|you (?:answer|"
            r"respond|summari[sz]e|reply))\b.{0,60}\b(?:you must|always|instead|do not mention|"
            r"say that|tell the user|respond with|reply with|output)"
        ),
    ),
    _signal(
        "deceit of the user",
        0.6,
        (
            r"\b(?:do not|don'?t|never) (?:tell|inform|reveal (?:this )?to|mention (?:this )?to|alert|"
            r"warn) (?:the )?user"
        ),
    ),
    _signal(
        "new rules from now on",
        0.6,
        (
            r"\b(?:from|starting) (?:now|this (?:point|moment|"
            r"message))(?: on(?:wards?)?| forward)?\b,?(?: \S+){0,8}? (?:you|chatgpt|your|act|respond|"
            r"answer|pretend|always|every|any)\b"
        ),
        r"\byou are now (?:going to|a|an|the|in|no longer|free|acting|playing|called|named|my)\b",
        (
            r"\byou(?:'re| are| will)? (?:no longer|not) (?:be )?(?:chatgpt|an? (?:ai|assistant|"
            r"language model)|bound|restricted|limited|required)"
        ),
        r"\b(?:forget|ignore) (?:that )?(?:everything|all|you are|you're|what)\b",
        r"\bthroughout (?:this|the rest of (?:this|our)) conversation\b",
    ),
    _signal(
        "role play",
        0.5,
        (
            r"\b(?:i want you to|i would like you to|i need you to|i'd like you to|you (?:will|"
            r"are going to|are to|must|shall|should|can|need to|have to)|you're going to|please|"
            r"let'?s|now|will|to|chatgpt,?|gpt,?|hello|hi|hey) (?:\w+ ){0,2}?(?:act|pretend|"
            r"role-?play|simulate|behave|play the role|play as|take on the (?:role|persona)|imitate|"
            r"emulate|immerse yourself|assume the (?:role|persona|identity)|respond as|answer as|"
            r"write as|speak as)\b"
        ),
        r"^(?:act|pretend|role-?play|simulate|imagine) (?:as|like|to be|that|you|yourself|an?)\b",
        (
            r"\byou are (?:going to )?(?:be )?(?:an? |the )?(?:\w+ ){0,4}?(?:named|called|character|"
            r"persona|bot|gpt|ai)\b"
        ),
    ),
    _signal(
        "freed of limits",
        0.5,
        rf"\b{_NO} (?:\w+,? (?:or |and )?){{0,5}}?{_LIMITS}\b",
        r"\b(?:unrestricted|unfiltered|uncensored|unlimited|amoral|unhinged|unshackled|limitless)\b",
        r"\b(?:broken|break|breaking|broke) (?:free|out) (?:of|from)\b",
        (
            r"\b(?:bypass|evade|circumvent)\w* .{0,30}(?:filter|polic|restriction|guideline|safety|"
            r"censor|moderation)"
        ),
    ),
    _signal(
        "refusal forbidden",
        0.5,
        (
            r"\b(?:never|not|cannot|can'?t|won'?t|don'?t|without|no) (?:\w+ ){0,2}?(?:refus\w+|"
            r"declin\w+|reject\w*|apologi[sz]\w*|apology|say(?:ing)? no)\b"
        ),
        (
            r"\b(?:never|not|cannot|can'?t|won'?t|don'?t) (?:\w+ ){0,2}?(?:say|saying|tell me|reply|"
            r"respond|answer)(?: with)? (?:that )?(?:you|it|something|i) (?:can'?t|cannot|can not|"
            r"are unable|is against|am unable|are not able|aren'?t)"
        ),
        (
            r"\byou (?:must|will|have to|should|shall|are obligated to)(?: \w+){0,2}? (?:answer|"
            r"comply|obey|fulfil+|accept|do) (?:to )?(?:any|every|all|anything|everything|whatever|my|"
            r"each)\b"
        ),
        (
            r"\bregardless of (?:\w+ )?(?:\w+ )?(?:legality|ethic\w*|moral\w*|consequences|how|"
            r"whether|context|the content)\b"
        ),
        (
            r"\b(?:no|without|never|not|don'?t|avoid|any)(?: \w+){0,4}? (?:warnings?|disclaimers?|"
            r"moral lectures?|lectures?|caveats)\b"
        ),
    ),
    _signal(
        "mask of a character",
        0.4,
        (
            r"\b(?:break|breaking|stay|staying|remain|out of|in|broke) (?:your |the |"
            r"in )?(?:character|persona)\b"
        ),
        (
            r"\b(?:two|both|2) (?:different |separate )?(?:responses?|replies|answers|paragraphs|ways|"
            r"outputs|personalities)\b"
        ),
        (
            r"\b(?:lose|deduct\w*|have|minus|start with) (?:you )?(?:\d+ |all |your )?(?:tokens|"
            r"points|lives|credits)\b"
        ),
        (
            r"\b(?:hypothetical|fictional|imaginary|alternate|fictitious) (?:\w+ )?(?:world|story|"
            r"scenario|universe|character|dialogue|conversation|reality|setting|situation|response)\b"
        ),
        r"\bas your knowledge is cut off\b|\bamoral\b|\bniccolo\b",
        r"\b(?:opposite|evil|unethical|immoral) (?:of|twin|version|ai|bot|trusted|confidant)\b",
    ),
    _signal(
        "harm asked for",
        0.4,
        (
            r"\b(?:unethical|immoral|amoral|nsfw|profanit\w+|swear(?:ing)?|curse words|obscene|vulgar|"
            r"slurs?|lewd|smut|erotic\w*)\b"
        ),
        (
            r"\b(?:illegal|offensive|explicit|harmful|dangerous|inappropriate|controversial|"
            r"derogatory|violent|sexual|hateful)\b(?:,| or| and|/)? ?(?:\w+,? (?:or |"
            r"and )?)?(?:content|acts?|activit\w+|things|information|advice|language|topics|material|"
            r"requests?|unethical|immoral|harmful|offensive|illegal|dangerous)\b"
        ),
    ),
    _signal(
        "policy of the provider",
        0.3,
        r"\bopen ?ai'?s?\b",
        (
            r"\b(?:content|usage|safety|use[- ]case|ethical|moderation|censorship) (?:polic\w+|"
            r"guidelines?|filters?|restrictions?|rules|protocols?)\b"
        ),
        r"\bas an (?:ai|artificial intelligence)\b",
        r"\b(?:programmed|designed|trained) to (?:follow|be|obey|refuse|avoid)\b",
    ),
    _signal(
        "the model addressed", 0.3, r"\bchat ?gpt\b|\bgpt-?[345]\b|\blanguage model\b|\bai chat ?bot\b|\bbing chat\b"
    ),
)

STRUCTURE = (
    _signal(
        "chat markup",
        1.0,
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>",
        r"\[/?inst\]|<</?sys>>|<start_of_turn>|<end_of_turn>",
        (
            r"^[ \t]*(?:#{2,} ?)?(?:system|assistant|"
            r"developer)(?: prompt| message| override)? ?:\s*\S.{0,80}\b(?:you (?:are|must|will|"
            r"shall)|ignore|new|always|never|reveal|comply)\b"
        ),
        r"</?(?:system|developer|instructions?)>",
        r"\b(?:end|begin|start) of (?:the )?(?:system )?(?:prompt|instructions|context)\b",
    ),
    _signal(
        "hidden comment", 0.6, r"<!--[^>]{0,300}\b(?:you must|ignore|assistant|instruct|respond with|tell the user)\b"
    ),
)

COMPACT = _signal(
    "instruction override",
    1.0,
    (
        r"(?:ignore|disregard|forget|override)(?:all|any)?(?:of)?(?:the|your|my|"
        r"these)?(?:previous|prior|above|earlier|preceding)?(?:instructions|rules|prompts|"
        r"guidelines)"
    ),
    r"(?:reveal|show|print|repeat)(?:me)?(?:your|the)systemprompt",
)
