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
