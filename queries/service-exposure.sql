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
ports = "ports of the service, a JSON array"
hosts = "hosts of the ingress, a JSON array"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with submitted as (
  select
    time, id, user, impersonated_user, verb, api_group, resource, namespace, name, outcome, dry_run,
    source_ip, user_agent, cluster, audit_id,
    -- The answer holds the whole object; a refused request, or level Request, only what was sent.
    case when response_object -> '$.spec' is null then request_object else response_object end
      as object,
    verb = 'patch' and response_object -> '$.spec' is null as partial
  from events
  where resource in ('services', 'ingresses')
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
),
judged as (
  select
    *,
    case
      when object is null then 'unknown'
      when resource = 'services' and object ->> '$.spec.type' in ('NodePort', 'LoadBalancer')
        then object ->> '$.spec.type'
      when resource = 'services' and json_array_length(object, '$.spec.externalIPs') > 0
        then 'external IPs'
      when resource = 'ingresses' and not partial
        and coalesce(json_array_length(object, '$.spec.tls'), 0) = 0
        then 'ingress without TLS'
    end as exposure
  from submitted
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
from judged
where exposure is not null
  -- Other groups have resources of the same names.
  and (resource = 'services') = (api_group is null)
order by time desc, id desc
