//! A member that takes whatever it can get at its stack's socket.

use crate::host::Host;
use crate::on_both;
use crate::restarter::{all_are_new, outcome, pids, set_up};
use std::time::{Duration, Instant};

/// Keeps 200 connections open at the stack's socket, says half a request on each, and makes a new one for each that ends.
const HOLDS: &str = r#"#!/usr/bin/perl
use IO::Socket::UNIX;
use IO::Select;
$SIG{PIPE} = "IGNORE";
my $held = IO::Select->new;
while (1) {
    while ($held->count < 200) {
        my $one = IO::Socket::UNIX->new(Peer => "/run/unitward/stacks/shop") or last;
        syswrite $one, "unitward-restart-stack 1\ncaller=greedy\n";
        $held->add($one);
    }
    open my $seen, ">>", "/run/greed/seen"; print $seen "x"; close $seen;
    for my $one ($held->can_read(0.01)) { $held->remove($one); close $one }
}
"#;

/// Opens connections and closes them at once.
const COMES_AND_GOES: &str = r#"#!/usr/bin/perl
use IO::Socket::UNIX;
my $count = 0;
while (1) {
    IO::Socket::UNIX->new(Peer => "/run/unitward/stacks/shop");
    if ($count++ % 1000 == 0) { open my $seen, ">>", "/run/greed/seen"; print $seen "x"; close $seen; }
}
"#;

/// Asks for a full restart when it is told to.
const ASKS: &str = "#!/bin/bash\nask() { unitward restart-stack shop >/run/greed/asked 2>&1; }\ntrap ask USR1\nwhile :; do sleep 0.1; done\n";

/// How long one restart may take, on a machine that does much else.
const BOUND: Duration = Duration::from_secs(25);

on_both! {
    fn a_member_that_holds_and_refills_requests_keeps_neither_root_nor_another_member_waiting(host: Host) {
        for (name, text) in [("holds", HOLDS), ("comes-and-goes", COMES_AND_GOES), ("asks", ASKS)] {
            host.script(&format!("/usr/local/bin/{name}"), text);
        }
        let member = |name: &str| format!("[Service]\nUser=nobody\nExecStart=/usr/local/bin/{name}\nRestart=always\n[Ward]\nStack=shop\n");
        host.sh("install -d -o nobody /run/greed");
        set_up(&host, "", &[("asks.ward", &member("asks"))]);
        for greedy in ["holds", "comes-and-goes"] {
            host.write("/etc/unitward/greedy.ward", &member(greedy));
            host.sh("systemctl stop greedy 2>/dev/null || true; rm -f /run/greed/*; systemctl daemon-reload; systemctl start greedy");
            host.wait_for_property("greedy", "ActiveState", "active");
            // Long enough for every place that it may get.
            host.wait_for("the first connections", || host.sh("[ ! -s /run/greed/seen ] || echo seen").contains("seen").then_some(()));
            host.sh("sleep 2");
            let (then, begun) = (pids(&host), Instant::now());
            let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
            assert!(status == 0 && all_are_new(&host, &then), "{greedy}: {words}");
            assert!(begun.elapsed() < BOUND, "{greedy}: {:?}", begun.elapsed());
            let then = pids(&host);
            host.wait_for_property("asks", "ActiveState", "active");
            host.run(&["systemctl", "kill", "--kill-whom=main", "--signal=USR1", "asks"]);
            host.wait_for_within(BOUND, "the other member's restart", || all_are_new(&host, &then).then_some(()));
        }
        host.run(&["systemctl", "stop", "greedy"]);
    }
}
