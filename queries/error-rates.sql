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
select
  user, verb, resource, events as calls, client_errors, server_errors,
  round(1.0 * client_errors / answered, 4) as client_error_share,
  round(1.0 * server_errors / answered, 4) as server_error_share,
  last_error
from event_counts
where ended = 1
  and errors >= max(1, :at_least)
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and time >= :since and time < :until
order by errors desc, events desc, user, verb, resource
