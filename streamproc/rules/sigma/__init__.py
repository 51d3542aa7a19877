"""Sigma rules (https://sigmahq.io) brought into our own rule documents. Needs pySigma, the extra `sigma`."""

from streamproc.rules.sigma.attributes import Origin
from streamproc.rules.sigma.importing import Imported, Report, import_documents
from streamproc.rules.sigma.refusal import Refused

__all__ = ["Imported", "Origin", "Refused", "Report", "import_documents"]
