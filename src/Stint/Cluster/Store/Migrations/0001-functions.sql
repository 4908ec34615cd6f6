-- One row: the store's identity, and the number of its last change (ClusterStore.cs).
create table stint.store (
    only_row boolean primary key default true check (only_row),
    id uuid not null default gen_random_uuid(),
    change bigint not null default 0,
    key_check text
);
insert into stint.store default values;

-- What functions are made of, by SHA3-256.
create table stint.blob (
    hash text primary key check (hash ~ '^[0-9a-f]{64}$'),
    size bigint not null,
    used_at timestamptz not null default clock_timestamp()
);
create table stint.blob_chunk (
    hash text not null references stint.blob on delete cascade,
    number integer not null,
    data bytea not null,
    primary key (hash, number)
);

-- What serves; a function that was removed has no hash.
create table stint.function (
    module text not null,
    name text not null,
    version bigint not null,
    hash text references stint.blob,
    is_flat boolean not null,
    change bigint not null,
    primary key (module, name)
);
create index on stint.function (change);
create index on stint.function (hash);

-- What served before, the last ten of each function.
create table stint.function_version (
    module text not null,
    name text not null,
    version bigint not null,
    hash text not null references stint.blob,
    deployed_by text not null,
    deployed_at timestamptz not null default clock_timestamp(),
    primary key (module, name, version)
);
create index on stint.function_version (hash);

-- Modules that somebody made, with what was said of them (JSON); without: removed.
create table stint.module (
    name text primary key,
    detail text,
    change bigint not null
);
create index on stint.module (change);

-- Sealed with the cluster's key (StoreKey.cs); without: removed.
create table stint.secret (
    module text not null,
    name text not null,
    sealed bytea,
    change bigint not null,
    primary key (module, name)
);
create index on stint.secret (change);

-- Who owns what. The clock is this server's; a holder counts for less than it was given (LeaseTable.cs).
create table stint.lease (
    name text primary key,
    holder text not null,
    term bigint not null,
    expires_at timestamptz not null
);
