/*
title = "Hours in which nothing was recorded"
group = "compliance"
answers = "One row per stretch of whole hours of the time range without any event of a cluster that had events before, in it or earlier, the latest first. A running apiserver makes events every minute (leases, probes), so an hour without any is a cluster that was off, an audit log that was off, or events that were lost."
cannot_see = "Which of these it was. Silences that hold no whole hour (see silent-sources); parts of hours at the ends of the time range say nothing, nor do hours whose events retention removed. Events that are missing while others came."
level = "Metadata"
tags = ["pci-dss:10.2.1.6", "pci-dss:10.7", "nist-800-53:AU-5"]
tables = ["silences"]

[params]
longer_than = { type = "duration", default = "1h", help = "Least length of a silence" }

[columns]
cluster = "where"
still = "1 when it is silent until now, or until --until"
silent_from = "first whole hour of the time range without events"
silent_until = "first hour with events again; NULL when still silent"
hours = "whole hours without events"
events_before = "events in the hour before; NULL when the time range has none in it"
*/
select
  cluster, silent_until is null as still, silent_from, silent_until, hours, events_before
from silences
where hours * 3600 >= :longer_than / 1000000
order by silent_from desc, cluster
