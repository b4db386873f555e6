"""Where a search for changes starts: pure decisions about the clocks of Asana and of this host."""

import datetime as dt

from asana_assets.sync.change_detection import Sync


def on_asanas_clock(instant: dt.datetime, clock_skew: dt.timedelta) -> dt.datetime:
    """Return a local instant by Asana's clock, or unchanged if that is earlier.

    A search that starts too early finds some records again; one that starts too late misses some. So the local clock is
    corrected if it is ahead, and believed if it seems to be behind: the `Date` of a proxy may be wrong as well.
    """
    return min(instant, instant + clock_skew)


def decide_search_from(
    previous: dt.datetime | None, sync: Sync, clock_skew: dt.timedelta, *, missed_changes: bool
) -> dt.datetime:
    """Return where the search of the sync after `sync` must start, by Asana's clock.

    Args:
        previous: Where the search of `sync` had to start.
        sync: The sync that completes.
        clock_skew: Asana's time minus local time.
        missed_changes: Whether that search did not find all changes: then they are searched for again, unless they are
            so old that they were found by age.
    """
    # This instant is saved instead of the local one, because the next sync may run on another host, or after the clock
    # of this one was corrected. Only for a sync that is resumed on another host are the start and the skew of two
    # clocks; the overlap of searches covers a difference of minutes.
    started_at = on_asanas_clock(sync.started_at, clock_skew)
    if not missed_changes or previous is None:
        return started_at
    return max(previous, started_at - sync.max_age) if sync.max_age else previous
