"""The rules of one challenge: what is asked of a submission, and how it is hosted."""

from challenge.rules.rules import OWN, RULES_FOLDER, Rules, load_rules

__all__ = ["OWN", "RULES_FOLDER", "Rules", "load_rules"]
