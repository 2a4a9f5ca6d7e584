/*
title = "Clocks that disagree: events late, from the future, or ended before they began"
group = "data-quality"
answers = "One row per cluster and source: how long after the request its events were stored (least and most), how many were ahead of this machine's clock by more than ahead, how many reached a stage before they were received, and how many came without a time of their own."
cannot_see = "Whose clock is wrong. Imported files are late by nature. An offset smaller than the way takes: a webhook's batch waits up to 30 seconds."
level = "Metadata"
since = "1h"

[params]
source = { type = "words", help = "How events came in: webhook, file" }
ahead = { type = "duration", default = "1s", help = "How far in the future an event must be to count" }

[columns]
cluster = "from where"
source = "how it came in"
events = "events in the time range"
future = "of these, later than the moment at which they were stored, by more than ahead"
most_ahead_s = "seconds by which the one furthest ahead was"
before_received = "of these, at a stage before the request was received"
untimed = "of these, without a time of their own"
least_delay_s = "seconds from stage to stored: the least; negative is ahead"
most_delay_s = "the most"
a_future_audit_id = "the event furthest ahead, for auditql show"
*/
select
  cluster, source, events, future,
  round(max(0, -least_delay_us) / 1e6, 3) as most_ahead_s,
  before_received, untimed,
  round(least_delay_us / 1e6, 3) as least_delay_s,
  round(most_delay_us / 1e6, 3) as most_delay_s,
  iif(future > 0, least_audit_id, null) as a_future_audit_id
from event_delays
where cluster match :cluster
  and source match :source
  and time >= :since and time < :until
  and tolerance_us = :ahead
order by future desc, before_received desc, cluster, source
