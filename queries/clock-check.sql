/*
title = "Do the clocks agree"
group = "compliance"
answers = "One row per cluster and source with events of the time range: how long after they happened those of its last hour with any were stored, and how many of them came from the future by more than a second. Over the whole range it also counts events that ended before they began, that are later than now, and without a time of their own. Events later than now count, too, when they came in during the range and say that they are from after it."
cannot_see = "Whether clocks are set by a time server. An offset smaller than the way takes: a webhook's batch waits up to 30 seconds, so a clock counts as behind from a minute on; whether it is, or something keeps events back, does not show. For imported files only that none comes from the future. Delays of older events (see clock-skew)."
level = "Metadata"
tags = ["pci-dss:10.6", "nist-800-53:SC-45"]
tables = ["clocks"]

[columns]
verdict = "met when events that came in live show no wrong clock and the least delay is a minute at most, not met, or not enough data"
cluster = "from where"
source = "how it came in"
events = "events of the last hour with any"
future = "of these, later than the moment at which they were stored, by more than a second"
most_ahead_s = "seconds by which the one furthest ahead was"
before_received = "events of the whole range at a stage before the request was received"
least_delay_s = "seconds from stage to stored: the least; negative is ahead"
most_delay_s = "the most"
untimed = "events of the whole range without a time of their own"
later_than_now = "events later than now, of the whole range or that came in during it"
why = "the verdict in words"
*/
select
  verdict, cluster, source, events, future, round(max(0, -least), 3) as most_ahead_s,
  before as before_received, round(least, 3) as least_delay_s, round(most, 3) as most_delay_s,
  untimed, later as later_than_now,
  case
    when future + later > 0 then format('events from the future: %,d', max(future, later))
    when before > 0 then format('events that ended before they began: %,d', before)
    when untimed > 0 then format('events without a time of their own: %,d', untimed)
    when source <> 'webhook' then 'imported: a clock that is behind would not show'
    when verdict <> 'met' then format(
      'stored %.1f seconds or more after they happened: a clock is behind, or something keeps events for that long',
      least)
    else format('stored %.1f to %.1f seconds after they happened', least, most)
  end as why
from clocks
order by cluster, source
