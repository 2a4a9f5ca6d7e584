/*
title = "What identities did that an incident had armed"
group = "incident"
answers = "One row per request, oldest first, by a user or service account that the incident's requests had created, minted a token for, or named in a role binding, from then on."
cannot_see = "What identities did that these armed in turn, and what an identity did elsewhere that armed itself: ask again about them. Whom a binding names that was recorded at Metadata. Who was behind these requests: an account that is armed may have been in honest use as well. Groups that were bound, certificates, and the service accounts of pods (see incident-pods). Calls of which only the arrival was recorded, or that the audit policy left out."
level = "Metadata"
tags = ["attack:T1078", "attack:T1098"]
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-armed"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
armed_by = { json = "what the incident had done for this identity, a JSON array" }
armed_time = "when it had first done so"
verb = "verb"
resource = "resource"
subresource = "subresource"
namespace = "its namespace"
name = "its name"
outcome = "success, denied_authz, not_found, ..."
dry_run = "1 when nothing changed because of dryRun=All"
request_uri = "path and query as sent"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  e.time, e.user, e.impersonated_user as as_user, armed.deeds as armed_by,
  armed.time as armed_time, e.verb, e.resource, e.subresource, e.namespace, e.name, e.outcome,
  e.dry_run, e.request_uri, e.source_ip, e.client_ip, e.user_agent, e.cluster, e.audit_id
from events as e cross join incident_armed as armed
  on armed.identity = e.user and armed.cluster = e.cluster and e.time >= armed.time
where e.user in (select identity from incident_armed)
  and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and e.cluster match :cluster
  and e.time >= :since and e.time < :until
  and (e.stage in ('ResponseComplete', 'Panic') or not exists (
    select 1 from events as later
    where later.audit_id = e.audit_id and later.received_time = e.received_time
      and later.request_uri = e.request_uri and later.user is e.user and later.cluster = e.cluster
      and later.time >= e.time
      -- Some apiservers record two starts of one call.
      and case when later.stage = e.stage then later.time > e.time or later.id > e.id
        else later.stage in ('ResponseComplete', 'Panic') end))
order by e.time, e.id
