/*
rows = "Answers to requests that the filters of an incident select, counted, but for those of long calls (watches, sessions, logs): each stands for a request. User and impersonated_user are left to the statement."
tables = ["incident-tally"]
materialized = false
*/
select *
from incident_tally
where stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and verb match '!watch'
  and subresource match '!exec,attach,portforward,proxy,log'
