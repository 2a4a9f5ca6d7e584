/*
title = "Who put debug containers into running pods"
group = "change"
answers = "One row per request for ephemeral containers (kubectl debug), newest first, with the images and what they may do."
cannot_see = "What was done in the container: who-attached and who-execd show the sessions. Images below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["attack:T1610", "attack:T1609"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
namespace = "its namespace"
name = "the pod"
images = "images that the request submits, a JSON array"
pod_security = "what the containers may do beyond their sandbox, a JSON array"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, namespace, name, images, pod_security, outcome,
  dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource = 'pods'
  and subresource = 'ephemeralcontainers'
  and verb in ('create', 'update', 'patch')
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and namespace match :namespace
  and name match :name
  and images match :image
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
