//! Unitward makes a systemd host heal itself and tells the cloud what happened.
//!
//! `README.md` says what it is for, the man pages and `docs/manual` how it is used, `docs/design.md` how it works. This page is the map
//! of the house: where to find a thing, and where to put one.
//!
//! # Floors
//!
//! Three, and imports go downward only.
//!
//! | floor | does | must not |
//! |---|---|---|
//! | [`core`] | decides: values in, values out | read, write, ask the clock, log |
//! | [`edge`] | reads and writes, one thing after the other | serve a bus, know MQTT or an asynchronous runtime |
//! | `shell` (feature `full`) | runs the daemon and the command | decide what a value alone can decide |
//!
//! The programs are three lines each over one entry point: `generator/main.rs`, [`edge::step`] (`unitward-step`), `shell::daemon`
//! (`unitwardd`), `shell::cli` (`unitward`). The C library is `libunitward/`, and the other end of its line is `shell::restarter`.
//!
//! # Rooms
//!
//! In [`core`]:
//! * `config`: from the text of the files to wards, stacks, settings and the list of what is wrong.
//! * `crash`: from what systemd says of a run to a verdict, a reason and a report.
//! * `environment`: which variables of a service's a command of root's takes over.
//! * `environment_file`: the assignments in an `EnvironmentFile=`.
//! * `expand`: variables in the words of a command, as PID 1 replaces them.
//! * `explain`: what will happen when a ward dies, in words.
//! * `full_restart`: who may restart a stack, how many ask at a time, who is answered what, how it went.
//! * `proposal`: the ward that fits a unit which has none.
//! * `recovery`: the limit, the back-off, which steps act, and the account of a recovery.
//! * `unit`: from wards and stacks to the unit files that are generated.
//! * `visible`: foreign text, made safe to be shown.
//! * `watch_list`: the units that the daemon watches.
//!
//! In [`edge`]:
//! * `beside`: the settings in files beside a ward.
//! * `boot`: which boot this is.
//! * `bounded`: a connection on which nothing lasts longer than it was told to.
//! * `clock`: the two clocks a recovery needs.
//! * `conveyor`: one thread makes things and another takes them.
//! * `coredump`: core dumps, as systemd-coredump tells of them.
//! * `death_clock`: the clock by which the times of a recovery are told.
//! * `dependants`: which units are bound to another one.
//! * `drop_in_files`: the files of a unit's drop-ins, and the names by which they apply.
//! * `drop_ins`: what drop-ins say of units that our generator writes.
//! * `dying`: a death that PID 1 shows before the line that records it runs.
//! * `exclusion`: which wards are kept down, and why.
//! * `full_restart`: asking for one, who asks, and its record on disk.
//! * `history`: every death, report and recovery, in SQLite.
//! * `init_script`: the service that systemd makes of a script in `/etc/init.d`.
//! * `journal`: what PID 1 and the helper wrote while nobody listened.
//! * `kmsg`: the kernel's log, which is the generator's.
//! * `manager_conf`: how systemd itself is configured.
//! * `messages`: the MESSAGE_IDs of rulings.
//! * `log`: the journal, for those who do recoveries.
//! * `paths`: paths below a root directory that need not be the host's own.
//! * `pid1`: PID 1, asked by way of the bus or at its own socket.
//! * `planner`: ward by ward, what is to be written.
//! * `program`: the one place where programs are started.
//! * `record`: the run record, a file for each run of a ward.
//! * `recoveries`: from run records back to the death a recovery began with.
//! * `replace`: a file is replaced whole.
//! * `root`: which files there are below one root, and which of them are trusted.
//! * `ruling`: exclusions and readmissions by hand.
//! * `series_file`: what carries over from run to run.
//! * `step`: `unitward-step`, which PID 1 runs in the lines of generated units.
//! * `symbols`: the functions of a backtrace, and the confined process that reads other people's objects and names for it.
//! * `systemctl`: PID 1, told what to do, without a bus daemon.
//! * `triggers`: sockets, timers and paths that start a unit.
//! * `trusted`: directories that only root can have prepared.
//! * `unit_files`: other people's units, as they are on disk.
//! * `up`: when a run was up that no line has noted it of.
//!
//! In `shell`:
//! * `cli`: `unitward`, a file for each command.
//! * `daemon`: `unitwardd`.
//! * `interface`: the names of the D-Bus service, for both of its ends.
//! * `news`: what the daemon tells on the bus, and `unitward monitor` prints.
//! * `restarter`: the service behind a stack's socket, which restarts it.
//! * `survey`: the answers that the command prints and the bus gives, from one code.
//!
//! In `shell::daemon`, whose loop takes one event, asks `state` what is to be done, and lets `perform` do it:
//! * `alarm`: the loop's one deadline, kept by the kernel.
//! * `answer`: the answer to one question of the bus, in a process of its own.
//! * `archive`: the thread that keeps the history, and the one that looks into the books.
//! * `bus`: the service `org.unitward1`.
//! * `cloud`: the courier, at the broker.
//! * `cores`: backtraces, looked for beside the loop.
//! * `desk`: from a death to what is stored, said and sent of it.
//! * `ends`: from what is seen of units to a judgement on their ends.
//! * `event`: all that can happen, and all that can be done.
//! * `guard`: whom the daemon guards.
//! * `identity`: who this host is.
//! * `incident`: a death on its way to a report.
//! * `last_lines`: reads the last log lines of runs that died.
//! * `log`: where the daemon's words go.
//! * `messages`: their MESSAGE_IDs.
//! * `perform`: the only place where an action touches the world.
//! * `recall`: when to look into the books.
//! * `recent`: what was dealt with lately.
//! * `records`: run records as witnesses.
//! * `resync`: asking PID 1 for everything.
//! * `rules`: the configuration in force.
//! * `say`: what is written to the journal.
//! * `stacks`: full restarts, out of records and out of jobs.
//! * `standings`: where each ward stands, for those who listen.
//! * `state`: what the daemon knows, and the one function that changes it.
//! * `systemd`: the ear at PID 1.
//! * `unnoted`: notes deaths in place of lines that PID 1 could not run.
//!
//! Beside the floors, `fuzzing`: readers for the fuzz targets of `fuzz/`.
//!
//! # Invariants
//!
//! * PID 1 runs the recovery out of generated units; nothing in it needs the daemon, or a bus.
//! * The generator and `unitward-step` are built without the feature `full`: no asynchronous runtime in them, and of D-Bus
//!   the wire format alone.
//! * The generator ends with 0 and writes only where it is told. Same input, same bytes.
//! * No configured text can add a line, a directive or a command to a generated unit.
//! * A mistake in the configuration costs the smallest whole it makes meaningless and is always said.
//! * Nothing that an administrator asked for is a death. One run, at most one crash.
//! * A crash is reported until the broker has acknowledged it, whoever is killed in between.
//!
//! `tests/tidy.rs` holds the floors, the dependencies, the sizes and this map; `tests/golden` the generated units; `tests/hosts` what
//! is promised to users, on booted hosts.

pub mod core;
pub mod edge;
#[cfg(feature = "full")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "full")]
pub mod shell;
