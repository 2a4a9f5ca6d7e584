/*
title = "Certificates: who requested, approved and denied them"
group = "access"
answers = "One row per change of a CertificateSigningRequest with who did it, newest first: requested, approved, denied, issued or deleted, for which signer and on whose request."
cannot_see = "The names inside the certificate: they are in the encoded request (auditql show has it). Signer, requester and decision need bodies (level Request); at level Metadata they are NULL and a decision is shown as decided. Certificates that were signed outside the cluster."
level = "Metadata"
tags = ["pci-dss:10.2.1.5", "attack:T1649"]

[columns]
time = "when the request ended"
user = "who did it"
as_user = "whom they impersonated"
action = "requested, approved, denied, decided, issued, changed or deleted"
name = "name of the CertificateSigningRequest; NULL for a collection"
outcome = "success, denied_authz, ..."
dry_run = "1 when nothing changed because of dryRun=All"
signer = "signer that was asked"
requested_by = "user that the certificate was requested by, as the apiserver noted"
requested_groups = "that user's groups, a JSON array"
usages = "what the certificate may be used for, a JSON array"
message = "the apiserver's words, when it failed"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with changes as (
  select
    time, id, user, impersonated_user as as_user, verb, subresource, name, outcome, dry_run,
    message, source_ip, client_ip, user_agent, cluster, audit_id,
    request_object as asked, response_object as answered
  from events
  where resource = 'certificatesigningrequests'
    and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and name match :name
    and outcome match :outcome
    and source_ips match :source_ip
    and user_agent match :user_agent
    and time >= :since and time < :until
  order by time desc, id desc
)
select
  time, user, as_user,
  case
    when verb in ('delete', 'deletecollection') then 'deleted'
    when verb = 'create' then 'requested'
    when subresource = 'approval' then coalesce(
      (
        select case condition.value ->> '$.type'
          when 'Approved' then 'approved' when 'Denied' then 'denied'
        end
        from json_each(coalesce(
          case when json_type(answered, '$.status.conditions') = 'array'
            then answered -> '$.status.conditions' end,
          case when json_type(asked, '$.status.conditions') = 'array'
            then asked -> '$.status.conditions' end,
          '[]'
        )) as condition
        where condition.value ->> '$.type' in ('Approved', 'Denied')
        limit 1
      ),
      'decided'
    )
    when answered ->> '$.status.certificate' is not null
      and subresource = 'status' then 'issued'
    else 'changed'
  end as action,
  name, outcome, dry_run,
  coalesce(answered ->> '$.spec.signerName', asked ->> '$.spec.signerName') as signer,
  coalesce(answered ->> '$.spec.username', asked ->> '$.spec.username') as requested_by,
  coalesce(answered -> '$.spec.groups', asked -> '$.spec.groups') as requested_groups,
  coalesce(answered -> '$.spec.usages', asked -> '$.spec.usages') as usages,
  message, source_ip, client_ip, user_agent, cluster, audit_id
from changes
order by time desc, id desc
