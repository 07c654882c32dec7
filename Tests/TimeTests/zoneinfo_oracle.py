"""Prints what Python's zoneinfo says about local times around every change of every zone's offset.

Lines, each ended by a newline; all numbers are whole seconds, local ones counted as if the wall showed UTC:
    V <version>               the version of the zone data, or "unknown"
    Z <name> ...              zones that share the data of the lines that follow
    T <utc> <before> <after>  the offset changes at this instant
    R <local> <utc> <u|g|f>   the local time is unique, in a gap, or in a fold, and means this instant
    E                         the end; without it the output is cut off
Usage: zoneinfo_oracle.py [first year] [last year]
"""

import os
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

ROOT = "/usr/share/zoneinfo"
EPOCH = datetime(1970, 1, 1)
DAY = 86_400


def data_version():
    try:
        with open(f"{ROOT}/tzdata.zi", encoding="ascii") as file:
            return file.readline().split()[-1]
    except OSError:
        return "unknown"


def zones_by_data():
    """Area/Location names, grouped by the bytes of their files: an alias need not be computed again."""
    groups = {}
    for name in sorted(zoneinfo.available_timezones()):
        path = f"{ROOT}/{name}"
        if "/" in name and os.path.isfile(path):
            with open(path, "rb") as file:
                groups.setdefault(file.read(), []).append(name)
    return groups.values()


def offset_at(zone, utc):
    return int(datetime.fromtimestamp(utc, zone).utcoffset().total_seconds())


def changes(zone, first, last):
    """Instants at which the offset changes: a look every two days (no zone changes twice in them), then halving."""
    before = offset_at(zone, first)
    for start in range(first, last, 2 * DAY):
        low, high = start, start + 2 * DAY
        after = offset_at(zone, high)
        if after != before:
            while high - low > 1:
                middle = (low + high) // 2
                if offset_at(zone, middle) == before:
                    low = middle
                else:
                    high = middle
            yield high, before, after
        before = after


def resolve(zone, local):
    """The first instant of a local time; with fold=0 zoneinfo shifts a time in a gap forward (PEP 495)."""
    wall = EPOCH + timedelta(seconds=local)
    first = wall.replace(tzinfo=zone).utcoffset()
    second = wall.replace(tzinfo=zone, fold=1).utcoffset()
    kind = "u" if first == second else "g" if first < second else "f"
    return local - int(first.total_seconds()), kind


def walls(change, before, after):
    """Every 15 minutes from four hours before to four hours after, and the edges to the second and the minute."""
    edges = (change + before, change + after)
    quarter = 15 * 60
    start = (min(edges) - 4 * 3600) // quarter * quarter
    result = set(range(start, max(edges) + 4 * 3600 + quarter, quarter))
    for edge in edges:
        result.update(edge + nudge for nudge in (-60, -1, 0, 1, 60))
    return sorted(result)


def main():
    first_year, last_year = (int(year) for year in sys.argv[1:3] or ("2020", "2037"))
    first = int(datetime(first_year, 1, 1, tzinfo=timezone.utc).timestamp())
    last = int(datetime(last_year + 1, 1, 1, tzinfo=timezone.utc).timestamp())
    print("V", data_version())
    for names in zones_by_data():
        zone = zoneinfo.ZoneInfo(names[0])
        print("Z", *names)
        # Away from changes too: the only rows of a zone that has none.
        for local in range(first + DAY, last, 97 * DAY + 12_345):
            print("R", local, *resolve(zone, local))
        for change, before, after in changes(zone, first, last):
            print("T", change, before, after)
            for local in walls(change, before, after):
                print("R", local, *resolve(zone, local))
    print("E")


# The system's data only: an installed `tzdata` package or PYTHONTZPATH may hold another version.
zoneinfo.reset_tzpath([ROOT])
main()
