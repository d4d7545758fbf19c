"""A small support bot: it finds the help-centre article that fits a question best, or says that it does not know."""

import difflib
import json
import math
import re
from collections import Counter
from pathlib import Path

ARTICLES = json.loads(Path(__file__).with_name("articles.json").read_text(encoding="utf-8"))
UNKNOWN = {"id": "unknown", "text": "I am not sure what you mean. Please ask in other words, or write to our team."}
LEAST_SCORE = 2.2  # a best article that scores less is a guess: better to say "I don't know"
ALIKE = 0.8  # how alike a misspelt word has to be to a known one; 1 takes every word as it is written

LITTLE_WORDS = """
a about am an and any are as at be been but by can cant could did do does doesnt dont for from get got had has have how
i if im in into is it its ive just lamp lamps like many me my need now of on one or our please so still tell that the
them then there these they this to too two until up us use want was wasnt we were what whats when wheres which who why
will with would yet you your
"""
STOP_WORDS = set(LITTLE_WORDS.split())
SYNONYMS = {  # what customers say: what the articles say
    "abroad": "countries", "bill": "invoice", "coupon": "discount", "cracked": "damaged", "erase": "delete",
    "fast": "time", "guarantee": "warranty", "international": "countries", "mailing": "newsletter", "much": "costs",
    "outside": "outdoors", "package": "parcel", "postage": "shipping", "promo": "discount", "rejected": "declined",
    "reimbursement": "refund", "reset": "forgot", "smashed": "damaged", "swap": "exchange", "terrace": "outdoors",
    "unavailable": "sold", "voucher": "code", "waterproof": "rain",
}  # fmt: skip


def answer(inputs):
    """The article that answers the question, and the two that come next."""
    return reply(INDEX.search(inputs["question"]))


def reply(ranked):
    """The best article, or that we do not know; `see_also` are the two that follow."""
    best = ranked[0][0] if ranked and ranked[0][1] >= LEAST_SCORE else UNKNOWN
    others = [article["id"] for article, _ in ranked if article is not best]
    return {"article": best["id"], "text": best["text"], "see_also": others[:2]}


def words(text):
    """The words that say something."""
    return [word for word in re.findall(r"[a-z0-9]+", text.lower().replace("'", "")) if word not in STOP_WORDS]


def stem(word):
    """The word without its ending: deliver, delivers, delivered, delivering, delivery are one."""
    for ending in ("ation", "ments", "ment", "ings", "ing", "ies", "ied", "ed", "es", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


class Index:
    """One text for each article, searched by BM25: rare words count for more, long texts for less."""

    def __init__(self, texts):
        self.spellings = sorted({word for text in texts for word in words(text)} | set(SYNONYMS))
        self.counts = [Counter(self.sense(word) for word in words(text)) for text in texts]
        self.containing = Counter(sense for count in self.counts for sense in count)
        self.average = sum(count.total() for count in self.counts) / len(texts)

    def search(self, question):
        """Articles with their scores, the best first; of equal ones, the one whose id comes first."""
        asked = sorted({self.sense(self.spelt(word)) for word in words(question)})
        scores = [round(sum(self.weight(sense, count) for sense in asked), 6) for count in self.counts]
        found = [(article, score) for article, score in zip(ARTICLES, scores, strict=True) if score > 0]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]["id"]))

    def sense(self, word):
        """What a word stands for: the stem of what the articles say for it."""
        return stem(SYNONYMS.get(word, word))

    def spelt(self, word):
        """A misspelt word as the known one that it is most like."""
        if len(word) < 5 or self.sense(word) in self.containing:
            return word
        return next(iter(difflib.get_close_matches(word, self.spellings, 1, ALIKE)), word)

    def weight(self, sense, count):
        """What one word of the question says for one text."""
        rarity = math.log(1 + len(self.counts) / (self.containing[sense] + 0.5))
        length = 0.25 + 0.75 * count.total() / self.average
        return rarity * count[sense] * 2.2 / (count[sense] + 1.2 * length)


# The title three times over: a word in it says more than one in the text.
TEXTS = [f"{article['title']} " * 3 + article["text"] for article in ARTICLES]
INDEX = Index(TEXTS)
