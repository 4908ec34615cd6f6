-- Until when each schedule has been dealt with (Cluster/Triggers), so that who takes one over neither repeats a run nor loses one. By the SHA-256 of what the schedule is; milliseconds since 1970.
create table stint.schedule (
    key text primary key,
    function text not null,
    done_until bigint not null
);
