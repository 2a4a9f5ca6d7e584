/*
title = "Who did what to which kind of object, and how often"
group = "compliance"
answers = "One row per user, verb and kind of object that matches, the most requests first: how many succeeded, were refused and failed. Requests count when they end; a failed login (401) counts, with no user."
cannot_see = "Sessions and watches that have not ended (open-exec-sessions). Names of the objects: all-by-user, touched-by and the questions about each kind list the requests. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.1", "pci-dss:10.2.1.4", "pci-dss:10.2.1.5", "pci-dss:10.2.1.7", "nist-800-53:AU-6"]

[params]
as_user = { type = "words", help = "Whom they impersonated; '*' is anybody, '!*' nobody" }

[columns]
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "what was asked"
object = "resource with its API group and subresource, as deployments.apps/scale; 'non-resource paths' for the rest"
requests = "how many ended"
succeeded = "of these, answered with success or connected"
refused = "of these, refused: not authenticated, forbidden, or denied by admission"
failed = "of these, ended otherwise: not found, conflict, error, ..."
cluster = "where"
*/
with ended as (
  select
    cluster, user, impersonated_user, verb, api_group, resource, subresource, outcome, events
  from event_counts
  where stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and impersonated_user match :as_user
    and verb match :verb
    and resource match :resource
    and subresource match :subresource
    and namespace match :namespace
    and outcome match :outcome
    and time >= :since and time < :until
  union all
  -- Refused before anybody was authenticated: the only event of such a request.
  select
    cluster, user, impersonated_user, verb, api_group, resource, subresource, outcome, events
  from event_counts
  where stage = 'ResponseStarted' and user is null
    and cluster match :cluster
    and user match :user
    and impersonated_user match :as_user
    and verb match :verb
    and resource match :resource
    and subresource match :subresource
    and namespace match :namespace
    and outcome match :outcome
    and time >= :since and time < :until
)
select
  user, impersonated_user as as_user, verb,
  case
    when resource is null then 'non-resource paths'
    else resource || coalesce('.' || api_group, '') || coalesce('/' || subresource, '')
  end as object,
  sum(events) as requests,
  sum(iif(outcome in ('success', 'upgraded'), events, 0)) as succeeded,
  sum(iif(outcome glob 'denied_*', events, 0)) as refused,
  sum(iif(outcome in ('success', 'upgraded') or outcome glob 'denied_*', 0, events)) as failed,
  cluster
from ended
group by cluster, user, impersonated_user, verb, resource, api_group, subresource
order by requests desc, user, verb, object, as_user, cluster
