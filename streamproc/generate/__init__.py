"""Realistic audit events, made from a seed: for demonstrations, tests and load."""

from streamproc.generate.attacks import ATTACKS
from streamproc.generate.traffic import Plan, generate

__all__ = ["ATTACKS", "Plan", "generate"]
