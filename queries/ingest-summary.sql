/*
title = "How much came in, by hour or day"
group = "data-quality"
answers = "One row per hour (or day with --daily), cluster and source, newest first: what was received, stored, recognised as there already, and quarantined."
cannot_see = "What was refused or never sent. It goes by when events came in, not by when they happened. Events that were pruned since are still counted."
level = "Metadata"

[params]
cluster = { type = "text", help = "Cluster, or the words of a filter; * stands for any run of characters" }
source = { type = "text", help = "How events came in: webhook, file; * stands for any run of characters" }
daily = { type = "flag", help = "By day instead of by hour" }

[columns]
period = "beginning of the hour or day, UTC"
cluster = "from where"
source = "how it came in"
received = "items received: the sum of what follows"
stored = "new events"
duplicates = "events that were there already"
quarantined = "items that could not be understood"
*/
select
  case when :daily then substr(stored_time, 1, 10) else substr(stored_time, 1, 13) || ':00Z' end
    as period,
  cluster, source,
  sum(events + duplicates + quarantined) as received, sum(events) as stored,
  sum(duplicates) as duplicates, sum(quarantined) as quarantined
from ingest_log
where (
    :cluster is null or cluster glob :cluster
    or cluster in (select cluster from event_counts where cluster match :cluster group by cluster)
  )
  and (:source is null or source glob :source)
  and stored_time >= :since and stored_time < :until
group by period, cluster, source
order by period desc, cluster, source
