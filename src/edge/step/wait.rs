//! `WaitFor=`: a pause, or a wait until a resource is available.

use crate::core::config::step::{Awaited, Wait};
use crate::core::config::time_span;
use crate::edge::pid1::{self, Wanted};
use crate::edge::program::HostProgram;
use crate::edge::up;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, io};

/// Pause between two checks of a file or socket, which are cheap.
const CHEAP_LOOK: Duration = Duration::from_millis(50);

/// Pause between two checks that run a program or query PID 1.
const DEAR_LOOK: Duration = Duration::from_millis(200);

/// Longest time of one connection attempt.
const ONE_CONNECTION: Duration = Duration::from_secs(1);

/// Waits for the time span, or until the resource is available.
///
/// # Errors
/// The awaited resource is not available in time.
pub(super) fn wait(wait: &Wait) -> io::Result<()> {
    let (what, limit) = match wait {
        Wait::Pause(span) => {
            std::thread::sleep(*span);
            return Ok(());
        }
        Wait::Until(what, limit) => (what, *limit),
    };
    let deadline = Instant::now() + limit;
    loop {
        let Err(why) = look(what, deadline) else {
            return Ok(());
        };
        let left = left_until(deadline);
        if left.is_zero() {
            let span = time_span::render(limit);
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("not there after {span}: {why}"),
            ));
        }
        std::thread::sleep(pause(what).min(left));
    }
}

fn pause(what: &Awaited) -> Duration {
    match what {
        Awaited::Unit(_) | Awaited::Bus(_) => DEAR_LOOK,
        Awaited::Tcp(address) if address.parse::<SocketAddr>().is_err() => DEAR_LOOK,
        Awaited::Path(_) | Awaited::Tcp(_) | Awaited::Unix(_) => CHEAP_LOOK,
    }
}

/// Checks once; the error is the reason why the resource is not available.
fn look(what: &Awaited, deadline: Instant) -> Result<(), String> {
    match what {
        Awaited::Path(path) => fs::metadata(path)
            .map(drop)
            .map_err(|error| error.to_string()),
        Awaited::Unit(unit) => is_active(unit.as_str()),
        Awaited::Bus(name) => has_owner(name),
        Awaited::Tcp(address) => tcp_accepts(address, deadline),
        Awaited::Unix(path) => unix_accepts(path),
    }
}

/// Checks for the states that `systemctl is-active` accepts.
fn is_active(unit: &str) -> Result<(), String> {
    let known = pid1::ask(
        unit,
        Wanted {
            unit: &["ActiveState"],
            own: &[],
        },
    )
    .map_err(|error| error.to_string())?;
    match known.text("ActiveState") {
        state if up::is_up(state) => Ok(()),
        state => Err(format!("it is {state}")),
    }
}

fn has_owner(name: &str) -> Result<(), String> {
    let asked = HostProgram::Busctl
        .command()
        .args([
            "--system",
            "--timeout=2",
            "call",
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
        ])
        .args(["org.freedesktop.DBus", "NameHasOwner", "s", name])
        .stderr(Stdio::null())
        .output();
    let done = asked.map_err(|error| format!("busctl: {error}"))?;
    match done.stdout.as_slice() {
        b"b true\n" => Ok(()),
        b"b false\n" => Err("nobody has that name on the bus".to_owned()),
        _ => Err("the bus does not answer".to_owned()),
    }
}

/// Resolves `HOST:PORT`. A name is looked up by getent(1): this program is linked statically, and
/// the resolvers of nsswitch.conf(5) are libraries of the host's own libc. Loopback addresses count
/// on a host that has no others of their kind.
fn candidates(address: &str, patience: Duration) -> Vec<SocketAddr> {
    if let Ok(address) = address.parse() {
        return vec![address];
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Vec::new();
    };
    let bound = format!("{:.3}", patience.as_secs_f64());
    let mut look = HostProgram::Timeout.command();
    let getent = HostProgram::Getent.path();
    look.args([
        "--signal=KILL",
        &bound,
        getent,
        "--no-addrconfig",
        "--",
        "ahosts",
        host,
    ]);
    let (Ok(port), Ok(found)) = (port.parse(), look.output()) else {
        return Vec::new();
    };
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let streams = found
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, kind)| kind.contains("STREAM"));
    streams
        .filter_map(|(ip, _)| Some(SocketAddr::new(ip.parse().ok()?, port)))
        .collect()
}

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn tcp_accepts(address: &str, deadline: Instant) -> Result<(), String> {
    let mut why = "it has no address".to_owned();
    for candidate in candidates(address, left_until(deadline).max(DEAR_LOOK)) {
        match TcpStream::connect_timeout(
            &candidate,
            left_until(deadline).clamp(Duration::from_millis(1), ONE_CONNECTION),
        ) {
            Ok(_) => return Ok(()),
            Err(error) => why = format!("{candidate}: {error}"),
        }
    }
    Err(why)
}

/// Checks for a listening socket. One of another type than a stream also counts: it exists and
/// refuses only this kind of connection. One whose queue is full does not count, and the connection
/// attempt does not block: any user may have made it.
fn unix_accepts(path: &str) -> Result<(), String> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
        None => SocketAddrUnix::new(path),
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let connected = address.and_then(|address| {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &address)
    });
    match connected {
        Ok(()) | Err(Errno::PROTOTYPE) => Ok(()),
        Err(Errno::AGAIN) => Err("its queue of connections is full".to_owned()),
        Err(error) => Err(io::Error::from(error).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    fn soon(what: Awaited) -> io::Result<()> {
        wait(&Wait::Until(what, Duration::from_millis(120)))
    }

    #[test]
    fn a_socket_counts_when_it_accepts_not_when_its_file_is_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s").display().to_string();
        let listener = UnixListener::bind(&path).unwrap();
        assert!(soon(Awaited::Unix(path.clone())).is_ok());
        drop(listener);
        assert!(fs::exists(&path).unwrap(), "the file outlives its socket");
        assert_eq!(
            soon(Awaited::Unix(path.clone())).unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
        assert!(soon(Awaited::Path(path)).is_ok());
    }

    #[test]
    fn a_socket_whose_queue_is_full_is_waited_for_no_longer_than_asked() {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixStream};
        let name = format!("unitward-test-{}", std::process::id());
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        let listener = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        rustix::net::bind(&listener, &address).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let _waits =
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let begun = Instant::now();
        let full = soon(Awaited::Unix(format!("@{name}"))).unwrap_err();
        assert!(
            full.to_string()
                .ends_with("its queue of connections is full"),
            "{full}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_port_counts_when_it_accepts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(soon(Awaited::Tcp(address.clone())).is_ok());
        let by_name = address.replace("127.0.0.1", "localhost");
        assert!(soon(Awaited::Tcp(by_name)).is_ok());
        drop(listener);
        let refused = soon(Awaited::Tcp(address.clone())).unwrap_err().to_string();
        assert!(
            refused.starts_with(&format!("not there after 120ms: {address}: ")),
            "{refused}"
        );
    }

    #[test]
    fn a_missing_path_fails_at_the_time_out() {
        let begun = Instant::now();
        assert!(soon(Awaited::Path("/nowhere/at/all".into())).is_err());
        assert!(begun.elapsed() >= Duration::from_millis(120));
    }
}
