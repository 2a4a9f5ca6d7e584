/*
title = "Whose calls fail, and how often"
group = "operations"
answers = "One row per user, verb and resource, most errors first, with the share of calls that the client (4xx) and the server (5xx) got wrong. A watch or session counts when it ends."
cannot_see = "Calls that never ended. Failures behind an answer of 200: a webhook that failed open, a pod that does not start. Calls that the audit policy left out."
level = "Metadata"
tags = []
since = "1d"

[params]
at_least = { type = "int", default = 1, help = "Fewest errors that count" }

[columns]
user = "who asked"
verb = "what was asked"
resource = "resource"
calls = "how many ended"
client_errors = "of these with 4xx"
server_errors = "of these with 5xx"
client_error_share = "0 to 1"
server_error_share = "0 to 1"
last_error = "when the last error was"
*/
with ended as (
  select user, verb, resource, code, events, last_time
  from event_counts
  where stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and time >= :since and time < :until
  union all
  -- Refused before anybody was authenticated: the only event of such a call.
  select user, verb, resource, code, events, last_time
  from event_counts
  where stage = 'ResponseStarted' and user is null
    and cluster match :cluster
    and user match :user
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and time >= :since and time < :until
)
select
  user, verb, resource, sum(events) as calls,
  sum((code between 400 and 499) * events) as client_errors,
  sum((code between 500 and 599) * events) as server_errors,
  round(1.0 * sum((code between 400 and 499) * events) / sum(iif(code is null, 0, events)), 4)
    as client_error_share,
  round(1.0 * sum((code between 500 and 599) * events) / sum(iif(code is null, 0, events)), 4)
    as server_error_share,
  max(case when code between 400 and 599 then last_time end) as last_error
from ended
group by user, verb, resource
having sum((code between 400 and 599) * events) >= max(1, :at_least)
order by client_errors + server_errors desc, calls desc
