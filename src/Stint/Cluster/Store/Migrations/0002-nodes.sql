-- The cluster's certificate authority; its key is sealed (StoreKey.cs), so that any gateway can issue certificates.
create table stint.authority (
    only_row boolean primary key default true check (only_row),
    certificate bytea not null,
    sealed_key bytea not null,
    made_at timestamptz not null default clock_timestamp()
);

-- What lets a machine in, hashed. Without uses_left: any number of times until it expires.
create table stint.join_token (
    id text primary key,
    secret_hash bytea not null,
    uses_left integer check (uses_left >= 0),
    expires_at timestamptz not null,
    made_at timestamptz not null default clock_timestamp()
);

-- Certificates that were issued. Expired ones go.
create table stint.certificate (
    serial text primary key,
    node text not null,
    issued_at timestamptz not null default clock_timestamp(),
    not_after timestamptz not null,
    is_revoked boolean not null default false,
    change bigint not null
);
create index on stint.certificate (node);
create index on stint.certificate (change);

-- Machines. alive_until is on this server's clock and moves every second or so: no change that others are told of.
create table stint.node (
    name text primary key,
    instance text not null,
    is_gateway boolean not null,
    is_worker boolean not null,
    addresses text not null,
    labels text not null,
    report text not null default '{}',
    is_draining boolean not null default false,
    joined_at timestamptz not null default clock_timestamp(),
    alive_until timestamptz not null
);
