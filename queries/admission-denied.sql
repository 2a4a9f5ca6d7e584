/*
title = "What admission refused although the caller had the right"
group = "access"
answers = "One row per request that an admission plugin, webhook or policy refused, newest first, with which one and its words. The authorizer had allowed these: their recorded decision is allow."
cannot_see = "What a webhook or policy would have refused where it only warns or audits. Webhooks that could not be reached (server_error)."
level = "Metadata"
tags = ["pci-dss:10.2.1.4", "attack:T1610"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what they tried"
resource = "resource"
subresource = "subresource"
namespace = "namespace"
name = "name of the object"
refused_by = "PodSecurity, or webhook or policy by name; NULL for other plugins, whose words say it"
message = "the words of the refusal"
pod_security = "what the pod or template asked for beyond its sandbox, a JSON array, if recorded"
code = "HTTP status"
dry_run = "1 when it was a try with dryRun=All"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name,
  case
    when message glob 'admission webhook "*" denied the request*' then
      'webhook ' || substr(message, 20, instr(substr(message, 20), '"') - 1)
    when message glob '*ValidatingAdmissionPolicy ''*'' with binding *' then
      'policy ' || substr(
        message, instr(message, 'ValidatingAdmissionPolicy ''') + 27,
        instr(substr(message, instr(message, 'ValidatingAdmissionPolicy ''') + 27), '''') - 1
      )
    when message glob '* is forbidden: violates PodSecurity "*' then 'PodSecurity'
  end as refused_by,
  message, pod_security, code, dry_run, source_ip, client_ip, user_agent, cluster, audit_id
from events
where outcome = 'denied_admission'
  and stage in ('ResponseStarted', 'ResponseComplete')
  and (stage <> 'ResponseStarted' or not exists (
    select 1 from events as later
    where later.audit_id = events.audit_id
      and later.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and later.cluster = events.cluster
      and later.request_uri = events.request_uri
      and later.received_time = events.received_time
      and later.user is events.user
      -- Some apiservers record two starts of one call.
      and (later.stage <> 'ResponseStarted' or later.time > events.time
        or later.time = events.time and later.id > events.id)
  ))
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and source_ips match :source_ip
  and user_agent match :user_agent
  and time >= :since and time < :until
order by time desc, id desc
