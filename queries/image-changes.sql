/*
title = "Who changed the images of workloads, and from what"
group = "change"
answers = "One row per request that submits an image which the object was not recorded to have before, newest first; a new object counts. Objects that a controller made from a template are left out, because the template has a row."
cannot_see = "What was there before the recording or --since began (before is NULL then). A patch names only the images it touches, so an image that an earlier patch did not touch may look new. Images below level Request. Calls that the audit policy left out."
level = "Request"
tags = ["attack:T1525", "attack:T1610"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
namespace = "its namespace"
name = "its name"
images = { json = "images that the request submits, a JSON array" }
before = { json = "images of the last successful request since --since that submitted any before, a JSON array" }
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, namespace, name, images, before, outcome,
  dry_run, source_ip, user_agent, cluster, audit_id
from image_history
where changed
  and images match :image
  and user match :user
  and outcome match :outcome
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and time >= :since and time < :until
order by time desc, id desc
