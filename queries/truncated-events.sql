/*
title = "Events whose bodies the apiserver cut off"
group = "data-quality"
answers = "One row per event that came without its bodies because it was larger than the apiserver's limit for the webhook, newest first. What is answered from bodies misses these."
cannot_see = "Events that were still too large without their bodies: the apiserver drops these and counts them in apiserver_audit_error_total."
level = "Metadata"

[columns]
time = "when the stage was reached"
user = "who asked"
as_user = "whom they impersonated"
verb = "verb"
resource = "resource"
subresource = "subresource"
namespace = "namespace"
name = "name of the object"
outcome = "what became of the request"
stage = "stage"
level = "level at which bodies were to be recorded"
raw_bytes = "length of the event as it came"
cluster = "where"
source = "how it came in"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name, outcome,
  stage, level, raw_bytes, cluster, source, audit_id
from events
where truncated = 1
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and time >= :since and time < :until
order by time desc, id desc
