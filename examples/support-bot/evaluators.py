"""What a good answer is. An evaluator gets what the bot gave (`outputs`) and what was right (`ground_truth`)."""


def right_article(outputs, ground_truth):
    """Pass or fail: is it the article that answers the question?"""
    return outputs["article"] == ground_truth["article"]


def reciprocal_rank(outputs, ground_truth):
    """A score: 1 if the right article comes first, 1/2 if it comes second, 1/3 if third, 0 if it is not there."""
    if ground_truth["article"] == "unknown":
        return None  # no article is right, so none has a rank: does not apply
    offered = [outputs["article"], *outputs["see_also"]]
    return 1 / (offered.index(ground_truth["article"]) + 1) if ground_truth["article"] in offered else 0
