"""Rules: text → `Rule` → compiled predicate, and the index that finds the few that might match."""

from streamproc.model.document import Problem
from streamproc.rules.compile import CompiledRule, compile_filter, compile_rule
from streamproc.rules.index import RuleIndex
from streamproc.rules.parse import parse_rule
from streamproc.rules.problems import RuleError

__all__ = ["CompiledRule", "Problem", "RuleError", "RuleIndex", "compile_filter", "compile_rule", "parse_rule"]
