/*
rows = "A finding: at which levels access to secrets is recorded, and which of CIS and the STIG asks for that."
*/
with figures as (
  select
    coalesce(sum(events), 0) as events,
    coalesce(sum(iif(level = 'Metadata', events, 0)), 0) as bare,
    coalesce(sum(iif(level = 'RequestResponse', events, 0)), 0) as full,
    coalesce(sum(iif(level = 'Request', events, 0)), 0) as half
  from event_counts
  where resource = 'secrets' and api_group is null
    and cluster match :cluster and time >= :since and time < :until
)
select
  'finding' as verdict,
  case
    when events = 0 then 'no access to secrets is recorded'
    when bare = events then format(
      'all %,d events about secrets are at Metadata: as CIS 3.2.2 asks, and not as the STIG (CNTR-K8-000700) does', events
    )
    when full = events then format(
      'all %,d events about secrets are at RequestResponse: as the STIG (CNTR-K8-000700) asks, and not as CIS 3.2.2 does', events
    )
    else format(
      'of %,d events about secrets %,d are at Metadata, as CIS 3.2.2 asks, and %,d at RequestResponse, as the STIG (CNTR-K8-000700) does%s',
      events, bare, full, iif(half = 0, '', format('; %,d at Request, as neither asks', half))
    )
  end as why
from figures
