/*
title = "Every request by a person, in their name or from their addresses"
group = "person"
answers = "One row per request that one of the person's identities made, that was made in one of their names, or that came from one of their addresses, newest first; what is found by several of these is one row. A watch or session that has not ended is one row, too."
cannot_see = "Who sat behind a shared account or address. Attempts to impersonate them that were denied, and requests in the name of a UID: person-mentions has those. Calls that the audit policy left out, and those of which only the arrival was recorded."
level = "Metadata"
tags = ["gdpr:15"]
required = ["person"]
tables = ["person-addresses", "person-steps"]

[params]
person = { type = "names", help = "The person's user names, UIDs and IP addresses: alice,203.0.113.7" }

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
found_as = "by what it is the person's: acting user, impersonated user, UID or address"
verb = "verb"
resource = "resource"
subresource = "subresource"
namespace = "its namespace"
name = "its name"
outcome = "success, denied_authz, not_found, ..."
code = "status code"
dry_run = "1 when nothing changed because of dryRun=All"
request_uri = "path and query as sent"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
-- Each part has what those before it do not.
select
  e.time, e.user, e.impersonated_user as as_user, 'acting user' as found_as, e.verb, e.resource,
  e.subresource, e.namespace, e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip,
  e.user_agent, e.cluster, e.audit_id
from person_steps as e
where e.user match :person
union all
select
  e.time, e.user, e.impersonated_user as as_user, 'impersonated user' as found_as, e.verb, e.resource,
  e.subresource, e.namespace, e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip,
  e.user_agent, e.cluster, e.audit_id
from person_steps as e
where e.impersonated_user match :person
  and e.user match '!' || :person
union all
select
  e.time, e.user, e.impersonated_user as as_user, 'UID' as found_as, e.verb, e.resource,
  e.subresource, e.namespace, e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip,
  e.user_agent, e.cluster, e.audit_id
from person_steps as e
where e.user_uid match :person
  and e.user match '!' || :person
  and e.impersonated_user match '!' || :person
union all
select
  e.time, e.user, e.impersonated_user as as_user, 'address' as found_as, e.verb, e.resource,
  e.subresource, e.namespace, e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip,
  e.user_agent, e.cluster, e.audit_id
from person_steps as e
where e.source_ips match (select words from person_addresses)
  and e.user match '!' || :person
  and e.impersonated_user match '!' || :person
  and e.user_uid match '!' || :person
order by time desc
