-- Small texts that all gateways have: modules that somebody made, scheduling scripts, subjects of FunLess's API with the key of their tokens (sealed: StoreKey.cs). Without content: removed.
create table stint.text (
    kind text not null,
    name text collate "C" not null,
    content bytea,
    is_sealed boolean not null default false,
    change bigint not null,
    primary key (kind, name)
);
create index on stint.text (change);
-- The table stays for programs of before.
insert into stint.text (kind, name, content, change) select 'modules', name, convert_to(detail, 'UTF8'), change from stint.module;
