/*
title = "What was opened to the outside: node ports, load balancers, ingresses without TLS"
group = "change"
answers = "One row per request that submits such a service or ingress, newest first. Requests whose body is not recorded are shown with exposure unknown."
cannot_see = "Host ports and host networks of pods (see privileged-workloads), gateways, and what a patch left as it was when the answer is not recorded. Calls that the audit policy left out."
level = "Request"
tags = ["attack:T1133"]
since = "1d"

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
exposure = "NodePort, LoadBalancer, external IPs, ingress without TLS, or unknown when the body is not recorded"
verb = "what was asked"
resource = "resource"
namespace = "its namespace"
name = "its name"
ports = { json = "ports of the service, a JSON array" }
hosts = { json = "hosts of the ingress, a JSON array" }
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with exposed as (
  select
    *,
    -- The answer holds the whole object; a refused request, or level Request, only what was sent.
    case when response_object -> '$.spec' is null then request_object else response_object end
      as object
  from events
  where exposure match '*'
    and resource in ('services', 'ingresses')
    and verb in ('create', 'update', 'patch')
    and subresource is null
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and user match :user
    and outcome match :outcome
    and time >= :since and time < :until
)
select
  time, user, impersonated_user as as_user, exposure, verb, resource, namespace, name,
  object -> '$.spec.ports' as ports,
  nullif((
    select json_group_array(part.atom)
    from json_tree(object, '$.spec.rules') as part
    where part.key = 'host'
  ), '[]') as hosts,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from exposed
order by time desc, id desc
