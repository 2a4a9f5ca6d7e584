/*
title = "Who did what to which kind of object, and how often"
group = "compliance"
answers = "One row per user, verb and kind of object that matches, the most requests first: how many succeeded, were refused and failed. Requests count when they end; a failed login (401) and a request refused before anybody was authenticated count, with no user."
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
select
  user, impersonated_user as as_user, verb,
  case
    when resource is null then 'non-resource paths'
    else resource || coalesce('.' || api_group, '') || coalesce('/' || subresource, '')
  end as object,
  events as requests, succeeded, refused, events - succeeded - refused as failed, cluster
from event_counts
where ended = 1
  and cluster match :cluster
  and user match :user
  and impersonated_user match :as_user
  and verb match :verb
  and resource match :resource
  and subresource match :subresource
  and namespace match :namespace
  and outcome match :outcome
  and time >= :since and time < :until
order by events desc, user, verb, resource, api_group, subresource, impersonated_user, cluster
