//! Wards that disagree with the administrator's own unit files.

use super::{Case, Mend, WEB};

/// The adopted unit is masked.
pub(super) const MASKED: Case = Case {
    files: &[
        ("unitward/b.ward", "[Ward]\nUnit=telldusd.service\n"),
        ("systemd/system/telldusd.service", "-> /dev/null"),
    ],
    at: "unitward/b.ward:2:6:",
    says: &[
        "masks telldusd.service",
        "systemctl unmask telldusd.service",
    ],
    mend: Mend::Remove("systemd/system/telldusd.service"),
};

/// The ward replaces the unit of a package.
pub(super) const SHADOWS_A_PACKAGE: Case = Case {
    files: &[
        WEB,
        (
            "/usr/lib/systemd/system/web.service",
            "[Service]\nExecStart=/usr/bin/true\n",
        ),
    ],
    at: "unitward/web.ward:",
    says: &[
        "replaces /usr/lib/systemd/system/web.service",
        "Unit=web.service",
        "rename the ward",
    ],
    mend: Mend::Rename("unitward/web.ward", "unitward/shop.ward"),
};

/// A unit file in /etc overrides the ward's unit.
pub(super) const OVERRIDDEN: Case = Case {
    files: &[
        WEB,
        (
            "systemd/system/web.service",
            "[Service]\nExecStart=/usr/bin/true\n",
        ),
    ],
    at: "unitward/web.ward:",
    says: &[
        "/etc/systemd/system/web.service overrides this ward",
        "remove it",
    ],
    mend: Mend::Remove("systemd/system/web.service"),
};

/// A drop-in empties a list in which ours stand.
pub(super) const TAKES_A_LIST_AWAY: Case = Case {
    files: &[
        ("unitward/b.ward", "[Ward]\nUnit=telldusd.service\n"),
        (
            "systemd/system/telldusd.service.d/override.conf",
            "[Service]\nExecCondition=\nNice=5\n",
        ),
    ],
    at: "systemd/system/telldusd.service.d/override.conf:2:1:",
    says: &["takes away the ExecCondition= lines", "take the line out"],
    mend: Mend::Write {
        file: "systemd/system/telldusd.service.d/override.conf",
        wrong: "ExecCondition=\n",
        right: "",
    },
};

/// A drop-in behind the ward's has the last word on Restart=.
pub(super) const RESTART_BEHIND: Case = Case {
    files: &[
        (
            "unitward/b.ward",
            "[Ward]\nUnit=telldusd.service\n[Service]\nRestart=always\n",
        ),
        (
            "systemd/system/telldusd.service.d/zz.conf",
            "[Service]\nRestart=no\n",
        ),
    ],
    at: "systemd/system/telldusd.service.d/zz.conf:2:1:",
    says: &[
        "sets Restart=no behind what /etc/unitward/b.ward makes",
        "systemd does not restart telldusd.service",
        "sorts before 50-unitward.conf",
    ],
    mend: Mend::Rename(
        "systemd/system/telldusd.service.d/zz.conf",
        "systemd/system/telldusd.service.d/10.conf",
    ),
};

/// The same, where the ward says nothing of it.
pub(super) const RESTART_OFF: Case = Case {
    files: &[
        ("unitward/b.ward", "[Ward]\nUnit=telldusd.service\n"),
        (
            "systemd/system/telldusd.service.d/override.conf",
            "[Service]\nRestart=always\nRestart=no\n",
        ),
    ],
    at: "systemd/system/telldusd.service.d/override.conf:3:1:",
    says: &["write Restart=no in [Service] of the ward if that is meant"],
    mend: Mend::Write {
        file: "unitward/b.ward",
        wrong: "telldusd.service\n",
        right: "telldusd.service\n[Service]\nRestart=no\n",
    },
};

/// A drop-in for the unit of a defined ward is always behind it.
pub(super) const RESTART_OF_DEFINED: Case = Case {
    files: &[
        WEB,
        (
            "systemd/system/web.service.d/a.conf",
            "[Service]\nRestart=no\n",
        ),
    ],
    at: "systemd/system/web.service.d/a.conf:2:1:",
    says: &["does not restart web.service", "take the line out"],
    mend: Mend::Remove("systemd/system/web.service.d/a.conf"),
};

/// The ward's wait is replaced; the same wait in other words would not be.
pub(super) const WAIT_BEHIND: Case = Case {
    files: &[
        (
            "unitward/b.ward",
            "[Ward]\nUnit=telldusd.service\n[Service]\nRestartSec=2s\n",
        ),
        (
            "systemd/system/telldusd.service.d/zz.conf",
            "[Service]\nRestartSec=5\nNice=5\n",
        ),
    ],
    at: "systemd/system/telldusd.service.d/zz.conf:2:1:",
    says: &["sets RestartSec=5", "in place of RestartSec=2s"],
    mend: Mend::Write {
        file: "systemd/system/telldusd.service.d/zz.conf",
        wrong: "RestartSec=5",
        right: "RestartSec=2000ms",
    },
};

/// A status that the ward does not list.
pub(super) const STATUSES_BEHIND: Case = Case {
    files: &[
        (
            "unitward/b.ward",
            "[Ward]\nUnit=telldusd.service\n[Service]\nRestartPreventExitStatus=3\n",
        ),
        (
            "systemd/system/telldusd.service.d/zz.conf",
            "[Service]\nRestartPreventExitStatus=3 4\n",
        ),
    ],
    at: "systemd/system/telldusd.service.d/zz.conf:2:1:",
    says: &["adds to RestartPreventExitStatus=3 of /etc/unitward/b.ward"],
    mend: Mend::Write {
        file: "systemd/system/telldusd.service.d/zz.conf",
        wrong: "3 4",
        right: "3",
    },
};

/// systemd's own limit is given an action of its own.
pub(super) const LIMIT_ACTS: Case = Case {
    files: &[
        ("unitward/b.ward", "[Ward]\nUnit=telldusd.service\n"),
        (
            "systemd/system/telldusd.service.d/zz.conf",
            "[Unit]\nStartLimitAction=reboot\n",
        ),
    ],
    at: "systemd/system/telldusd.service.d/zz.conf:2:1:",
    says: &[
        "gives an action to systemd's start limit",
        "take the line out",
    ],
    mend: Mend::Remove("systemd/system/telldusd.service.d/zz.conf"),
};

/// One line for both time-outs, of which the steps need more.
pub(super) const BOTH_TIMEOUTS: Case = Case {
    files: &[
        (
            "unitward/b.ward",
            "[Ward]\nUnit=telldusd.service\n[OnDeath]\nWaitFor=2min\nRestart=%n\n",
        ),
        (
            "systemd/system/telldusd.service.d/zz.conf",
            "[Service]\nTimeoutSec=5\n",
        ),
    ],
    at: "systemd/system/telldusd.service.d/zz.conf:2:1:",
    says: &[
        "takes the place of TimeoutStartSec=4min",
        "add TimeoutStartSec=4min",
    ],
    mend: Mend::Write {
        file: "systemd/system/telldusd.service.d/zz.conf",
        wrong: "=5\n",
        right: "=5\nTimeoutStartSec=4min\n",
    },
};
