/*
title = "Who deleted an object, or a whole collection of them"
group = "who"
answers = "One row per delete or deletecollection request with who made it, newest first. A deletecollection names no object: --name leaves it out, so ask without a name too."
cannot_see = "What an object's controller or the garbage collector removed has that controller as its actor. Deleting a namespace takes its objects along: ask for --resource namespaces. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7", "attack:T1485"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "delete or deletecollection"
resource = "resource that was deleted"
namespace = "its namespace"
name = "its name; NULL for a collection"
outcome = "success, denied_authz, not_found, ..."
dry_run = "1 when nothing was deleted because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, namespace, name, outcome, dry_run,
  source_ip, user_agent, cluster, audit_id
from events
where verb in ('delete', 'deletecollection')
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
