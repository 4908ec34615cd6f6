-- Which key a worker's certificate is of, and when its daemon was started, by its own clock: a machine that was killed and started again has its name at once, and not when the lease of the run before has
-- ended. Programs of before write neither.
alter table stint.node add column key text not null default '', add column started bigint not null default 0;
