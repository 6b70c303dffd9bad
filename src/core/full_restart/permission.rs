//! The right to request a full restart: root and the stack's own processes have it.
//!
//! A process belongs to the stack if its control group is that of a member's unit or of the stack's
//! own unit; only PID 1 and root put processes into control groups of services.

/// Returns true if a process of this user, in this unit, may request it. `own` are the units of the
/// stack.
#[must_use]
pub fn may_ask<'u>(uid: u32, unit: Option<&str>, own: impl IntoIterator<Item = &'u str>) -> bool {
    uid == 0 || unit.is_some_and(|unit| own.into_iter().any(|known| known == unit))
}

/// Returns the unit in the text of `/proc/PID/cgroup`; `first` is the same text of PID 1, which
/// shows the root of systemd's own tree of groups.
///
/// With the unified hierarchy the line with the number 0 names it; if systemd uses its own legacy
/// hierarchy that line is missing or names the root, and the line `name=systemd` names the unit.
#[must_use]
pub fn unit_of(cgroup: &str, first: &str) -> Option<String> {
    unit_by(cgroup, first, "")
        .or_else(|| unit_by(cgroup, first, "name=systemd"))
        .map(str::to_owned)
}

/// Returns the unit in the hierarchy with these controllers.
fn unit_by<'c>(cgroup: &'c str, first: &str, controllers: &str) -> Option<&'c str> {
    let base = path_in(first, controllers).unwrap_or_default();
    let base = base.strip_suffix("/init.scope").unwrap_or(base);
    path_in(cgroup, controllers)?
        .strip_prefix(base)
        .filter(|below| below.starts_with('/'))
        .and_then(unit_in_path)
}

/// Returns the path of the first line `NUMBER:CONTROLLERS:PATH` with these controllers.
fn path_in<'c>(cgroup: &'c str, controllers: &str) -> Option<&'c str> {
    cgroup.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.strip_prefix(controllers)?.strip_prefix(':')
    })
}

/// Returns the first group below the slices. systemd puts `_` before names that the kernel might
/// use itself.
fn unit_in_path(path: &str) -> Option<&str> {
    let unit = path
        .split('/')
        .find(|group| !group.is_empty() && !group.ends_with(".slice"))?;
    let unit = unit.strip_prefix('_').unwrap_or(unit);
    (unit.ends_with(".service") || unit.ends_with(".scope")).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_found_in_every_hierarchy() {
        let init = "0::/init.scope\n";
        for (cgroup, first, unit) in [
            ("0::/system.slice/cm.service\n", init, Some("cm.service")),
            (
                "0::/system.slice/system-web.slice/web@1.service/worker\n",
                init,
                Some("web@1.service"),
            ),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/cm.service\n",
                init,
                Some("user@1000.service"),
            ),
            (
                "0::/user.slice/user-0.slice/session-3.scope\n",
                init,
                Some("session-3.scope"),
            ),
            ("0::/system.slice/_cpu.service\n", init, Some("cpu.service")),
            ("0::/init.scope\n", init, Some("init.scope")),
            ("0::/\n", init, None),
            ("0::/kubepods/x\n", init, None),
            ("", init, None),
            // Legacy and hybrid: systemd's own hierarchy has the unit.
            (
                "12:pids:/system.slice/other.service\n1:name=systemd:/system.slice/cm.service\n0::/\n",
                "1:name=systemd:/init.scope\n0::/\n",
                Some("cm.service"),
            ),
            // A container whose groups are shown from the machine's root.
            (
                "1:name=systemd:/\n0::/machine/payload/system.slice/cm.service\n",
                "1:name=systemd:/\n0::/machine/payload/init.scope\n",
                Some("cm.service"),
            ),
            // From outside the container no group is a unit of it.
            (
                "0::/../system.slice/cm.service\n",
                "0::/machine/init.scope\n",
                None,
            ),
        ] {
            assert_eq!(
                unit_of(cgroup, first).as_deref(),
                unit,
                "{cgroup:?} {first:?}"
            );
        }
    }

    #[test]
    fn root_and_the_stacks_own_may_ask_and_nobody_else() {
        let own = ["opensync.target", "cm.service", "dm.service"];
        for (uid, unit, expect) in [
            (0, None, true),
            (0, Some("ssh.service"), true),
            (65_534, Some("cm.service"), true),
            (65_534, Some("ssh.service"), false),
            (1_000, Some("cm.service.service"), false),
            (1_000, None, false),
        ] {
            assert_eq!(may_ask(uid, unit, own), expect, "{uid} {unit:?}");
        }
    }
}
