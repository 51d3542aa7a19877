"""The GeoIP file that a command uses: the one it was given, else that of the settings."""

from __future__ import annotations

from pathlib import Path

from streamproc.cli.failures import InputError
from streamproc.settings import load_settings
from streamproc.sources.enrich import Enrich


def chosen_geoip(given: Path | None = None) -> Enrich | None:
    """What adds places to events; None where no file is given or set. Raises InputError for one that cannot be used.

    A worker goes on without its file. A command that answers once would answer something else, unnoticed.
    """
    path = given or load_settings().geoip_db
    if path is None:
        return None
    from streamproc.geoip import GeoIp, GeoIpError

    geoip = GeoIp(path)
    try:
        geoip.require()
    except GeoIpError as error:
        raise InputError(f"{'--geoip' if given else 'STREAMPROC_GEOIP_DB'}: {error}") from None
    return geoip.enrich
