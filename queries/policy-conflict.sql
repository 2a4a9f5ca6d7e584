/*
title = "Objects on which CIS and the DISA STIG ask for opposite levels"
group = "compliance"
answers = "One row per cluster and kind of object whose bodies hold credentials or settings: how many events keep no body (as CIS 3.2.2 asks), how many keep bodies, and which of the two frameworks the policy in force follows. No policy can meet both; whoever picks one should write down why."
cannot_see = "Whether bodies that were recorded hold a credential, and who can read the log. Events that the policy leaves out."
level = "Metadata"
tags = ["cis-kubernetes:3.2.2", "stig-kubernetes:CNTR-K8-000700"]

[columns]
object = "kind of object"
holds = "what its bodies hold"
events = "events recorded, all stages"
metadata = "events without bodies"
with_bodies = "events at Request or RequestResponse"
request_response = "of these at RequestResponse"
cis = "what CIS 3.2.2 says to it: met, not met, or not enough data"
stig = "what the STIG says to it"
follows = "CIS, STIG, neither, or nothing was recorded"
cluster = "where"
*/
with
kinds (place, object, holds) as (
  values
    (1, 'secrets', 'credentials'),
    (2, 'configmaps', 'settings, often with credentials'),
    (3, 'tokenreviews', 'bearer tokens to be checked'),
    (4, 'serviceaccounts/token', 'tokens that were minted; not named by the benchmark')
),
clusters as materialized (
  select cluster from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster
),
seen as materialized (
  select
    cluster, resource || coalesce('/' || subresource, '') as object,
    sum(events) as events,
    sum(iif(level = 'Metadata', events, 0)) as metadata,
    sum(iif(level = 'RequestResponse', events, 0)) as request_response
  from event_counts
  where resource in ('secrets', 'configmaps', 'tokenreviews', 'serviceaccounts')
    and coalesce(api_group, 'authentication.k8s.io') = 'authentication.k8s.io'
    and cluster match :cluster
    and time >= :since and time < :until
  group by cluster, object
)
select
  object, holds, coalesce(events, 0) as events, coalesce(metadata, 0) as metadata,
  coalesce(events - metadata, 0) as with_bodies, coalesce(request_response, 0) as request_response,
  case when events is null then 'not enough data' when metadata = events then 'met' else 'not met'
    end as cis,
  case when events is null then 'not enough data' when request_response = events then 'met'
    else 'not met' end as stig,
  case when events is null then 'nothing was recorded' when metadata = events then 'CIS'
    when request_response = events then 'STIG' else 'neither' end as follows,
  cluster
from clusters cross join kinds
left join seen using (cluster, object)
order by cluster, place
