//! The figures that have a name for people, and their goals.

/// The row of a figure in the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) asked: Asked,
}

/// The goal of a figure, in its own unit.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Nothing,
    AtMost(f64),
    AtLeast(f64),
}

/// The rows of the table, in their order. A figure without a row is shown under its own name.
pub(super) const ROWS: &[Row] = &[
    Row { name: "sha256", what: "SHA-256 of a key's text, nothing else", asked: Asked::Nothing },
    Row {
        name: "verify_1000_keys",
        what: "A verdict, allowed, among 1 000 keys",
        asked: Asked::Nothing,
    },
    Row {
        name: "verify_1000_keys_to_sha256",
        what: "… as a multiple of the hash",
        asked: Asked::AtMost(1.8),
    },
    Row { name: "keys_in_large", what: "Keys in the large index", asked: Asked::Nothing },
    Row {
        name: "verify_large",
        what: "A verdict, allowed, in the large index, each for another key",
        asked: Asked::Nothing,
    },
    Row {
        name: "verify_large_to_sha256",
        what: "… as a multiple of the hash",
        asked: Asked::AtMost(9.0),
    },
    Row {
        name: "verify_large_with_owners_to_sha256",
        what: "… with ten keys an owner",
        asked: Asked::Nothing,
    },
    Row {
        name: "verify_1000_keys_with_three_limits",
        what: "A verdict about three limits, among 1 000 keys",
        asked: Asked::Nothing,
    },
    Row {
        name: "verify_large_with_owners",
        what: "… in the large index, with ten keys an owner",
        asked: Asked::Nothing,
    },
    Row {
        name: "verify_large_with_three_limits",
        what: "… in the large index, about three limits",
        asked: Asked::Nothing,
    },
    Row {
        name: "memory_per_key",
        what: "Memory of a key in the large index, everything included",
        asked: Asked::AtMost(200.0),
    },
    Row {
        name: "memory_per_key_with_owners",
        what: "… with ten keys an owner",
        asked: Asked::AtMost(216.0),
    },
    Row {
        name: "memory_per_key_with_three_limits",
        what: "… with three limits",
        asked: Asked::AtMost(232.0),
    },
    Row { name: "verify_unknown", what: "A verdict, unknown key", asked: Asked::Nothing },
    Row { name: "verify_revoked", what: "A verdict, revoked key", asked: Asked::Nothing },
    Row {
        name: "verify_garbage_of_512_bytes",
        what: "A verdict, garbage of 512 bytes",
        asked: Asked::AtMost(5_000.0),
    },
    Row {
        name: "read_both_clocks",
        what: "Reading both clocks, as a server does before each verdict",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_allowed",
        what: "Instructions of a verdict, allowed, hash aside",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_two_limits",
        what: "… of a key with two limits",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_three_limits",
        what: "… of a key with three limits",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_owner_limit",
        what: "… of a key with one limit, whose owner has one",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_restricted",
        what: "… of a key with every restriction, none of which keeps it out",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_scoped",
        what: "… of such a key, where a scope is asked for",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_limited",
        what: "Instructions of a verdict, limited, hash aside",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_revoked",
        what: "Instructions of a verdict, revoked key, hash aside",
        asked: Asked::Nothing,
    },
    Row {
        name: "instructions_unknown",
        what: "Instructions of a verdict, unknown key, hash aside",
        asked: Asked::Nothing,
    },
    Row {
        name: "scan_source",
        what: "Looking for keys in source text, one core",
        asked: Asked::AtLeast(500.0),
    },
    Row { name: "scan_base64", what: "… in Base64", asked: Asked::AtLeast(500.0) },
    Row {
        name: "scan_worst",
        what: "… in the slowest of six texts made to be hard",
        asked: Asked::AtLeast(500.0),
    },
    Row { name: "http.open_rate", what: "An open route, 64 connections", asked: Asked::Nothing },
    Row { name: "http.guarded_rate", what: "The same, guarded", asked: Asked::Nothing },
    Row {
        name: "http.guard_fewer",
        what: "… fewer requests (or the next line)",
        asked: Asked::AtMost(5.0),
    },
    Row {
        name: "http.guard_cpu",
        what: "… more processor time of the server",
        asked: Asked::AtMost(1.0),
    },
    Row {
        name: "http.hello_rate",
        what: "`/healthz`, unguarded, one thread",
        asked: Asked::Nothing,
    },
    Row {
        name: "http.articles_rate",
        what: "`/articles?limit=20` of 100 000, one thread",
        asked: Asked::Nothing,
    },
    Row {
        name: "http.articles_ratio",
        what: "… as a part of the unguarded rate",
        asked: Asked::AtLeast(0.1),
    },
    Row { name: "disk.sync", what: "The disk makes a small write durable", asked: Asked::Nothing },
    Row {
        name: "http.issue_rate",
        what: "Issuing, 64 in parallel, each durable",
        asked: Asked::AtLeast(5_000.0),
    },
    Row {
        name: "http.start_million",
        what: "Start with a million keys to the first guarded response",
        asked: Asked::AtMost(2.0),
    },
    Row {
        name: "http.import_million",
        what: "Importing a million keys from CSV while serving",
        asked: Asked::AtMost(60.0),
    },
    Row {
        name: "http.calls_while_importing",
        what: "… guarded requests meanwhile, one at a time, all of them let in",
        asked: Asked::Nothing,
    },
    Row {
        name: "http.slowest_call_while_importing",
        what: "… the slowest of them",
        asked: Asked::Nothing,
    },
    Row {
        name: "http.list_page_worst",
        what: "The slowest page of 100 among a million keys, 18 filters in 8 orders",
        asked: Asked::AtMost(50.0),
    },
    Row { name: "http.list_page_median", what: "… half of the pages", asked: Asked::Nothing },
    Row {
        name: "store/import",
        what: "The store alone: importing a million keys, a thousand at a time",
        asked: Asked::Nothing,
    },
    Row { name: "store/import-last-batch", what: "… the last thousand", asked: Asked::Nothing },
    Row { name: "store/load", what: "… reading them at the start", asked: Asked::Nothing },
    Row {
        name: "store/list-worst-page",
        what: "… the slowest page of a list",
        asked: Asked::AtMost(50.0),
    },
    Row {
        name: "store/list-worst-total", what: "… the slowest total", asked: Asked::AtMost(50.0)
    },
    Row {
        name: "store/add-usage",
        what: "… adding the counts of 4 096 keys of one hour",
        asked: Asked::Nothing,
    },
    Row { name: "store/add-usage-worst", what: "… the slowest time", asked: Asked::Nothing },
    Row { name: "store/usage-top", what: "… the busiest keys of a day", asked: Asked::Nothing },
    Row { name: "store/back-up", what: "… a copy of it all", asked: Asked::Nothing },
    Row {
        name: "cluster.final_idle_p50",
        what: "Three nodes: revoking a key, final on return, half of the times",
        asked: Asked::AtMost(7.0),
    },
    Row {
        name: "cluster.final_idle_p99",
        what: "… all but one of a hundred",
        asked: Asked::AtMost(25.0),
    },
    Row {
        name: "cluster.final_busy_p50",
        what: "… while each node has 2 000 requests a second, half of the times",
        asked: Asked::AtMost(12.0),
    },
    Row {
        name: "cluster.final_busy_p99",
        what: "… all but one of a hundred",
        asked: Asked::AtMost(40.0),
    },
    Row {
        name: "cluster.busy_rate",
        what: "… requests meanwhile, all of them let in",
        asked: Asked::Nothing,
    },
    Row {
        name: "cluster.accepted_after_final",
        what: "… requests with a revoked key that were let in after that",
        asked: Asked::AtMost(0.0),
    },
    Row {
        name: "cluster.final_importing_p50",
        what: "… during an import of a million keys, half of the times",
        asked: Asked::Nothing,
    },
    Row {
        name: "cluster.final_importing_p99",
        what: "… all but one of a hundred",
        asked: Asked::AtMost(100.0),
    },
    Row {
        name: "cluster.accepted_after_final_importing",
        what: "… requests with a revoked key that were let in after that",
        asked: Asked::AtMost(0.0),
    },
    Row {
        name: "cluster.import",
        what: "Three nodes: importing a million keys",
        asked: Asked::Nothing,
    },
    Row {
        name: "cluster.changes_3_nodes",
        what: "Keys issued by 64 callers, three nodes",
        asked: Asked::AtLeast(3_000.0),
    },
    Row {
        name: "cluster.changes_8_nodes", what: "… eight nodes", asked: Asked::AtLeast(2_500.0)
    },
    Row {
        name: "cluster.start",
        what: "Start of a node with a million keys to the first guarded response",
        asked: Asked::AtMost(3.0),
    },
    Row {
        name: "cluster.unlimited_rate",
        what: "Three nodes: a door asked 5 000 times a second about a key without limits",
        asked: Asked::Nothing,
    },
    Row { name: "cluster.unlimited_p50", what: "… half of their times", asked: Asked::Nothing },
    Row {
        name: "cluster.unlimited_p99",
        what: "… all but one of a hundred",
        asked: Asked::Nothing,
    },
    Row {
        name: "cluster.unlimited_unavailable",
        what: "… that were 503, since the store was late",
        asked: Asked::Nothing,
    },
    Row {
        name: "cluster.limited_rate",
        what: "The same about a hundred keys with limits",
        asked: Asked::Nothing,
    },
    Row { name: "cluster.limited_p50", what: "… half of their times", asked: Asked::AtMost(3.0) },
    Row {
        name: "cluster.limited_p99",
        what: "… all but one of a hundred",
        asked: Asked::AtMost(15.0),
    },
    Row {
        name: "cluster.limited_unavailable",
        what: "… that were 503, since the store was late",
        asked: Asked::Nothing,
    },
    Row {
        name: "cluster.unlimited_most",
        what: "A door asked about a key without limits, 64 connections, two processors for all",
        asked: Asked::Nothing,
    },
    Row {
        name: "cluster.limited_most",
        what: "The same about a hundred keys with limits",
        asked: Asked::AtLeast(20_000.0),
    },
    Row {
        name: "cluster.unlimited_ratio",
        what: "Requests of a key without limits, as a part of one node on SQLite",
        asked: Asked::AtLeast(0.95),
    },
    Row {
        name: "cluster.list_page_worst",
        what: "Three nodes: the slowest page of 100 among a million keys",
        asked: Asked::AtMost(50.0),
    },
    Row { name: "cluster.list_page_median", what: "… half of the pages", asked: Asked::Nothing },
];
