//! All tests that need a host, in one program: it boots several at once.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

#[path = "../host/mod.rs"]
mod host;

#[path = "../page/mod.rs"]
mod page;

mod adopting;
mod asked_by_bus;
#[cfg(feature = "full")]
mod backtraces;
mod bad_broker;
mod bad_input;
mod broken_wards;
mod broker;
mod brokers;
mod burst;
mod bus;
#[cfg(feature = "full")]
mod bus_flood;
mod by_hand;
mod certificates;
mod check;
mod commands;
#[cfg(feature = "full")]
mod completions;
mod compound;
mod conditions;
mod daemon_down;
mod development;
mod dying;
mod edited;
mod excluded;
mod exclusion;
mod exclusion_disputed;
mod first;
mod flapping;
#[cfg(feature = "full")]
mod foreign_dumps;
mod foreign_files;
mod foreign_objects;
mod foreign_text;
mod full_disk;
mod full_run;
#[cfg(feature = "full")]
mod gdb;
mod guard;
mod hard;
mod harness;
mod last_lines;
mod left_out;
mod limit;
mod line_fails;
mod lists;
mod long_absence;
mod manual;
mod matrix;
mod more_config;
mod more_daemon;
mod more_limit;
mod more_reasons;
mod more_reports;
mod no_line_runs;
mod packages;
mod plan;
mod propagated;
mod pulled_down;
mod reasons;
mod recovery;
mod recovery_ended;
mod recovery_records;
mod reloads;
mod report;
mod requested;
mod restarter;
mod restarter_crowd;
mod restarter_killed;
mod restarter_late;
mod restarter_trouble;
mod said_stopping;
mod security;
mod stack_library;
mod stack_trouble;
mod stacks;
mod storm;
mod telldus;
mod templates;
mod timeline;
mod torture;
mod true_outcomes;
mod trust;
mod unrestarted;
mod up_by_pid1;
mod upgrade;
mod views;
mod views_bench;
mod whose_commands;
mod without_daemon;
#[cfg(feature = "full")]
mod witness;
mod write_points;
