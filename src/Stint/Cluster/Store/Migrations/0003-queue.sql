-- Asynchronous calls and results on their way (Cluster/Queue). state: 0 to be done, 1 dead letter, 2 done and remembered. due: also the end of a lease, so that claiming is finding what is due and moving
-- it on. No foreign key to functions: a dead letter outlives its function.
create table stint.queue (
    number bigint generated always as identity primary key,
    kind text not null,
    lane text collate "C" not null,
    function text not null,
    id text collate "C" not null,
    call text not null,
    state smallint not null default 0 check (state between 0 and 2),
    accepted timestamptz not null default clock_timestamp(),
    due timestamptz not null default clock_timestamp(),
    owner text,
    attempts integer not null default 0,
    failures integer not null default 0,
    keep boolean not null,
    status integer,
    reason text,
    ended timestamptz,
    head bytea,
    body bytea,
    file text,
    length bigint not null,
    size bigint not null
) with (autovacuum_vacuum_scale_factor = 0.05);
create unique index queue_id on stint.queue (lane, id);
create index queue_due on stint.queue (lane, due, number) where state = 0;
create index queue_order on stint.queue (lane, number) where state = 0;
create index queue_ended on stint.queue (state, ended) where state <> 0;
create index queue_function on stint.queue (function, state) where state <> 2;

-- Bodies too large for a row, in chunks, written before the entry that names them; without one they go after a while.
create table stint.queue_body (
    name text primary key,
    used_at timestamptz not null default clock_timestamp()
);
create table stint.queue_body_chunk (
    name text not null references stint.queue_body on delete cascade,
    number integer not null,
    data bytea not null,
    primary key (name, number)
);

-- How much is stored, in the same transactions. Each gateway counts in one of several rows, which by themselves mean nothing: their sum does. So two gateways seldom wait for each other.
create table stint.queue_usage (
    function text not null,
    shard smallint not null,
    calls bigint not null default 0,
    dead_calls bigint not null default 0,
    deliveries bigint not null default 0,
    dead_deliveries bigint not null default 0,
    bytes bigint not null default 0,
    primary key (function, shard)
) with (fillfactor = 50);
