//! The wrong configurations. Each is one that users of systemd, supervisors and this product have written.

mod secrets;
mod unit_files;

/// A configuration with one mistake.
pub(crate) struct Case {
    /// Paths below `/etc`, and texts; `-> X` is a link to X.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// `FILE:LINE:COLUMN:` below `/etc`.
    pub(crate) at: &'static str,
    /// What the message says.
    pub(crate) says: &'static [&'static str],
    /// The advice, followed.
    pub(crate) mend: Mend,
}

/// What somebody does who follows the advice.
pub(crate) enum Mend {
    Write {
        file: &'static str,
        wrong: &'static str,
        right: &'static str,
    },
    Rename(&'static str, &'static str),
    Remove(&'static str),
    Add(&'static str, &'static str),
    Mode(&'static str, u32),
}

/// A mistake in a ward that defines web.service: what follows a sound `[Service]`, where, what is said, what to write.
macro_rules! ward {
    ($text:literal, $place:literal, [$($says:literal),*], $wrong:literal => $right:literal) => {
        Case {
            files: &[("unitward/web.ward", concat!("[Service]\nExecStart=/usr/bin/sleep infinity\n", $text))],
            at: concat!("unitward/web.ward:", $place, ":"),
            says: &[$($says),*],
            mend: Mend::Write { file: "unitward/web.ward", wrong: $wrong, right: $right },
        }
    };
}

/// The same for any one file.
macro_rules! file {
    ($file:literal, $text:literal, $place:literal, [$($says:literal),*], $wrong:literal => $right:literal) => {
        Case {
            files: &[($file, $text)],
            at: concat!($file, ":", $place),
            says: &[$($says),*],
            mend: Mend::Write { file: $file, wrong: $wrong, right: $right },
        }
    };
}

const WEB: (&str, &str) = (
    "unitward/web.ward",
    "[Service]\nExecStart=/usr/bin/sleep infinity\n",
);

pub(crate) const CASES: &[Case] = &[
    // Words.
    ward!("[Recovery]\nDeathLimt=3\n", "4:1", ["unknown key", "did you mean \"DeathLimit\"?"], "DeathLimt" => "DeathLimit"),
    ward!("[Recovry]\nDeathLimit=3\n", "3:2", ["unknown section", "did you mean \"Recovery\"?"], "Recovry" => "Recovery"),
    ward!("[OnDaeth]\nLog=x\n", "3:2", ["did you mean \"OnDeath\"?"], "OnDaeth" => "OnDeath"),
    ward!("[OnDeath]\nExceute=/usr/bin/true\n", "4:1", ["did you mean \"Execute\"?", "the whole [OnDeath]"], "Exceute" => "Execute"),
    ward!("[Ward]\nReport=abnormol\n", "4:8", ["abnormal, death or no", "did you mean \"abnormal\"?"], "abnormol" => "abnormal"),
    ward!("[Recovery]\nOnLimit=exlude\n", "4:9", ["did you mean \"exclude\"?"], "exlude" => "exclude"),
    ward!("[Recovery]\nDelaySec=10 parsecs\n", "4:13", ["\"parsecs\" is no unit of time", "as in 10s"], "10 parsecs" => "10s"),
    ward!("[Recovery]\nMaxDelaySec=1min 30secnds\n", "4:20", ["did you mean \"seconds\"?"], "secnds" => "seconds"),
    ward!("[Recovery]\nMaxDelaySec=infinity\n", "4:13", ["for ever", "such as 2s"], "MaxDelaySec=infinity" => "MaxDelaySec=2s"),
    ward!("[Recovery]\nDeathLimit=many\n", "4:12", ["from 0 (no limit) to 10000"], "many" => "0"),
    ward!("[OnDeath]\nOnStepFailure=contine\nLog=x\n", "4:15", ["did you mean \"continue\"?"], "contine" => "continue"),
    ward!("[OnDeath]\nLog=x\nOnce=ye\n", "5:6", ["expected yes or no", "did you mean \"yes\"?"], "ye\n" => "yes\n"),
    ward!("Restart=on-fail\n", "3:9", ["did you mean \"on-failure\"?", "the ward is ignored"], "on-fail" => "on-failure"),
    ward!("Type=simpel\n", "3:6", ["did you mean \"simple\"?"], "simpel" => "simple"),
    ward!("Type=oneshot\nRestart=always\n", "4:9", ["Type=oneshot", "write on-failure"], "always" => "on-failure"),
    ward!("what is this\n", "3:1", ["expected Key=Value", "found \"what is this\""], "what is this" => "Nice=5"),
    // Sections of systemd and of ours.
    ward!("DeathLimit=3\n", "3:1", ["DeathLimit= belongs in [Recovery]"], "DeathLimit" => "[Recovery]\nDeathLimit"),
    ward!("StartLimitBurst=3\n", "3:1", ["has no effect in a ward", "DeathLimit= in [Recovery]"], "StartLimitBurst" => "[Recovery]\nDeathLimit"),
    ward!("Restart=no\n[OnRestart]\nLog=x\n", "3:9", ["nothing restarts it", "write Restart=on-failure"], "no\n" => "on-failure\n"),
    ward!("TimeoutStartSec=5s\n[OnDeath]\nWaitFor=1min\n", "3:17", ["less than the steps", "write 2min 30s"], "5s" => "2min 30s"),
    ward!("[Recovery]\nRestart=always\n", "4:1", ["Restart= belongs in [Service], not in [Recovery]"], "[Recovery]\n" => ""),
    ward!("[Ward]\nDeathLimit=3\n", "4:1", ["DeathLimit= belongs in [Recovery]"], "[Ward]" => "[Recovery]"),
    file!("unitward/unitward.conf", "[Node]\nBroker=mqtt://h\n", "2:1:", ["Broker= belongs in [MQTT]"], "Node" => "MQTT"),
    // Mounts that keep from the helper what it needs.
    ward!("TemporaryFileSystem=/var /run\n", "3:26", ["keeps /run/systemd and /run/unitward from", "add BindPaths=/run/systemd /run/unitward"], "/run\n" => "/run\nBindPaths=/run/systemd /run/unitward\n"),
    ward!("BindPaths=/srv/usr:/usr\n", "3:11", ["BindPaths= keeps /usr/lib/unitward and /usr/bin from", "add BindPaths=/usr/lib/unitward /usr/bin"], "/usr\n" => "/usr\nBindPaths=/usr/lib/unitward /usr/bin\n"),
    ward!("BindReadOnlyPaths=/usr /run/unitward\n", "3:24", ["keeps /run/unitward from", "take it out"], " /run/unitward" => ""),
    // Commands.
    ward!("[OnDeath]\nExecute=mount /a\n", "4:9", ["absolute path", "as in /usr/bin/mount"], "mount /a" => "/usr/bin/mount /a"),
    ward!("[OnDeath]\nExecute=/usr/bin/mount /a ; /usr/bin/true\n", "4:27", ["second command", "write a second step"], " ; " => "\nExecute="),
    ward!("[OnDeath]\nExecute=/usr/bin/true 100%\n", "4:26", ["specifier", "write %% for a percent sign"], "100%" => "100%%"),
    ward!("[OnDeath]\nExecute=/usr/bin/true 'it is\n", "4:23", ["not closed", "write ' where it ends"], "it is" => "it is'"),
    ward!("[OnDeath]\nExecute=/usr/bin/true \\\n  one \\\n  \\d\n", "6:3", ["escapes as in C", "write \\\\"], "\\d" => "\\\\d"),
    ward!("[OnDeath]\nExecute=/usr/bin/true | /usr/bin/true\n", "4:23", ["\"|\" is an argument", "no shell runs", "/bin/sh -c"], "|" => "'|'"),
    ward!("[OnDeath]\nLog=x\nElseExecute=/usr/bin/true && /usr/bin/true\n", "5:27", ["\"&&\" is an argument"], " && /usr/bin/true" => ""),
    ward!("ExecStartPre=/usr/bin/true >/dev/null 2>&1\n", "3:28", ["\">/dev/null\" is an argument", "'>/dev/null'"], " >/dev/null 2>&1" => ""),
    ward!("[OnDeath]\nExecute=/usr/bin/true a; /usr/bin/true\n", "4:23", ["\"a;\" is an argument"], "; /usr" => "\nExecute=/usr"),
    ward!("[Recovery]\nDelaySec=1min\n", "4:10", ["DelaySec=1min is above MaxDelaySec=30s", "a longer MaxDelaySec="], "1min\n" => "1min\nMaxDelaySec=10min\n"),
    ward!("[OnDeath]\nExecute=@/usr/bin/true\n", "4:9", ["the prefix '@' is not possible", "take it out"], "@" => ""),
    ward!("[OnDeath]\nExecute=-/sbin/mount /a\n", "4:10", ["/sbin/mount does not exist", "did you mean \"/usr/bin/mount\"?"], "/sbin/mount" => "/usr/bin/mount"),
    Case {
        files: &[(
            "unitward/web.ward",
            "[Service]\nExecStart=/usr/bin/script\n",
        )],
        at: "unitward/web.ward:2:11:",
        says: &["/usr/bin/script is not executable"],
        mend: Mend::Mode("/usr/bin/script", 0o755),
    },
    Case {
        files: &[
            ("unitward/b.ward", "[Ward]\nUnit=telldusd.service\n"),
            (
                "systemd/system/telldusd.service.d/private.conf",
                "[Service]\nTemporaryFileSystem=/run:ro\n",
            ),
        ],
        at: "systemd/system/telldusd.service.d/private.conf:2:21:",
        says: &[
            "keeps /run/systemd and /run/unitward from",
            "add BindPaths=/run/systemd /run/unitward",
        ],
        mend: Mend::Write {
            file: "unitward/b.ward",
            wrong: "telldusd.service\n",
            right: "telldusd.service\n[Service]\nBindPaths=/run/systemd /run/unitward\n",
        },
    },
    Case {
        files: &[
            ("unitward/b.ward", "[Ward]\nUnit=telldusd.service\n"),
            (
                "systemd/system/telldusd.service.d/override.conf",
                "[Unit]\nStartLimitBurst=3\n",
            ),
        ],
        at: "systemd/system/telldusd.service.d/override.conf:2:1:",
        says: &["narrows systemd's start limit", "take the line out"],
        mend: Mend::Write {
            file: "systemd/system/telldusd.service.d/override.conf",
            wrong: "StartLimitBurst=3\n",
            right: "",
        },
    },
    // Units.
    ward!("[OnDeath]\nRestart=inetd\n", "4:9", ["suffix", "did you mean \"inetd.service\"?"], "inetd" => "inetd.service"),
    ward!("[OnDeath]\nRestart=intd.service\n", "4:9", ["no unit file", "did you mean \"inetd.service\"?"], "intd" => "inetd"),
    ward!("[OnDeath]\nWaitFor=unit:dbsu.service 5s\n", "4:14", ["no unit file", "did you mean \"dbus.service\"?"], "dbsu" => "dbus"),
    ward!("[OnDeath]\nLog=x\nElseSignal=inet.service HUP\n", "5:12", ["Signal= names inet.service", "did you mean \"inetd.service\"?"], "inet." => "inetd."),
    ward!("[OnDeath]\nSignal=inetd.service SIGHPU\n", "4:22", ["did you mean \"SIGHUP\"?"], "SIGHPU" => "SIGHUP"),
    ward!("[OnDeath]\nWaitFor=tcp:nowhere 1s\n", "4:13", ["a host and a port", "as in tcp:127.0.0.1:111"], "nowhere" => "127.0.0.1:111"),
    ward!("[OnDeath]\nWaitFor=tcp:[::1:7006 1s\n", "4:13", ["the bracket is not closed", "as in tcp:[::1]:111"], "[::1:" => "[::1]:"),
    ward!("[OnDeath]\nWaitFor=tcp:[localhost]:7004\n", "4:13", ["only an IPv6 address stands in brackets", "a name without them"], "[localhost]" => "localhost"),
    ward!("[Install]\nWantedBy=network.target multi-usr.target\n", "4:25", ["not started with it", "did you mean \"multi-user.target\"?"], "multi-usr" => "multi-user"),
    ward!("[Install]\nWantedBy=multi-user.target user.target\n", "4:28", ["not started with it", "not started with it"], " user.target" => ""),
    file!("unitward/t.ward", "[Ward]\nUnit=telldusd\n", "2:6:", ["suffix", "did you mean \"telldusd.service\"?"], "telldusd" => "telldusd.service"),
    file!("unitward/t.ward", "[Ward]\nUnit=telldusd.service\n[Service]\nExecStart=/usr/bin/true\n", "2:6:", ["both", "keep one"], "ExecStart=/usr/bin/true\n" => ""),
    file!("unitward/web.ward", "[Service]\nExecStrt=/usr/bin/sleep infinity\n", "2:1:", ["unknown key", "did you mean \"ExecStart\"?", "ignored"], "ExecStrt" => "ExecStart"),
    file!("unitward/i.ward", "[Ward]\nUnit=idle.service\n", "2:6:", ["Restart=no", "write Restart=on-failure in [Service]"], "service\n" => "service\n[Service]\nRestart=on-failure\n"),
    file!("unitward/g.ward", "[Ward]\nUnit=getty@.service\n[Service]\nRestart=always\n", "2:6:", ["template", "g@.ward"], "getty@" => "getty@tty1"),
    file!("unitward/w@.ward", "[Ward]\nUnit=getty@tty1.service\n[Service]\nRestart=always\n", "2:6:", ["the ward's file is a template", "w.ward"], "getty@tty1" => "getty@"),
    file!("unitward/w@.ward", "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n", "4:1:", ["a template itself is never started", "DefaultInstance="], "[Install]\n" => "[Install]\nDefaultInstance=one\n"),
    Case {
        files: &[
            (
                "unitward/w@.ward",
                "[Service]\nExecStart=/usr/bin/sleep infinity\n",
            ),
            ("unitward/w@one.ward", "[Ward]\nUnit=%n\n"),
        ],
        at: "unitward/w@one.ward:2:6:",
        says: &[
            "w@one.service",
            "is an instance of w@.service",
            "let both wards define",
        ],
        mend: Mend::Write {
            file: "unitward/w@one.ward",
            wrong: "[Ward]\nUnit=%n",
            right: "[Service]\nExecStart=/usr/bin/sleep infinity",
        },
    },
    file!("unitward/web.ward", "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nUpheldBy=multi-user.target\n", "", ["multi-user.target upholds web.service", "again and again", "WantedBy= in [Install]"], "UpheldBy" => "WantedBy"),
    Case {
        files: &[
            ("unitward/t.ward", "[Ward]\nUnit=telldusd.service\n"),
            (
                "systemd/system/home.target",
                "[Unit]\nUpholds=telldusd.service\n",
            ),
        ],
        at: "unitward/t.ward:2:6:",
        says: &["home.target upholds telldusd.service", "write Wants="],
        mend: Mend::Write {
            file: "systemd/system/home.target",
            wrong: "Upholds",
            right: "Wants",
        },
    },
    Case {
        files: &[
            (
                "unitward/t.ward",
                "[Ward]\nUnit=telldusd.service\n[OnDeath]\nRestart=%n\nLog=back\n",
            ),
            (
                "systemd/system/telldusd.service.d/pid.conf",
                "[Service]\nPIDFile=/run/telldusd.pid\n",
            ),
        ],
        at: "systemd/system/telldusd.service.d/pid.conf:2:1:",
        says: &[
            "read after the ward's",
            "/run/telldusd.pid does not come",
            "sorts before 50-unitward.conf",
        ],
        mend: Mend::Rename(
            "systemd/system/telldusd.service.d/pid.conf",
            "systemd/system/telldusd.service.d/10-pid.conf",
        ),
    },
    // Steps where they make no sense.
    ward!("[OnDeath]\nElseLog=x\n", "4:1", ["write that above it"], "ElseLog" => "Log=y\nElseLog"),
    ward!("[OnStart]\nRestart=%n\nLog=x\n", "4:9", ["[OnDeath] and [OnAbnormalDeath] only", "take the line out"], "Restart=%n\n" => ""),
    ward!("[OnDeath]\n", "3:2", ["has no step", "add one"], "[OnDeath]" => "[OnDeath]\nWaitFor=2s"),
    ward!("[OnDeath a/b]\nLog=x\n", "3:10", ["only letters, digits, - and _"], "a/b" => "a-b"),
    Case {
        files: &[
            (
                "unitward/a.ward",
                "[Service]\nExecStart=/usr/bin/true\n[OnDeath]\nRestart=web.service\n",
            ),
            (
                "unitward/web.ward",
                "[Service]\nExecStart=/usr/bin/true\n[OnDeath]\nLog=x\nRestart=a.service\n",
            ),
        ],
        at: "unitward/web.ward:5:9:",
        says: &[
            "in a circle: web.service → a.service → web.service",
            "take this step out",
        ],
        mend: Mend::Write {
            file: "unitward/web.ward",
            wrong: "Restart=a.service\n",
            right: "",
        },
    },
    // Stacks.
    Case {
        files: &[
            WEB,
            (
                "unitward/m.ward",
                "[Ward]\nUnit=telldusd.service\nStack=opensink\n",
            ),
            (
                "unitward/n.ward",
                "[Service]\nExecStart=/usr/bin/true\n[Ward]\nStack=opensync\n",
            ),
            ("unitward/opensync.stack", "[Stack]\nReport=no\n"),
        ],
        at: "unitward/m.ward:3:7:",
        says: &["there is no stack", "did you mean \"opensync\"?"],
        mend: Mend::Write {
            file: "unitward/m.ward",
            wrong: "opensink",
            right: "opensync",
        },
    },
    ward!("[Recovery]\nOnLimit=restart-stack\n", "4:9", ["belongs to no stack", "Stack= in [Ward]"], "restart-stack" => "exclude"),
    // Files.
    Case {
        files: &[WEB, ("unitward/web.ward.bak", "[Service]\n")],
        at: "unitward/web.ward.bak:",
        says: &["nobody reads this file", "rename it, or remove it"],
        mend: Mend::Remove("unitward/web.ward.bak"),
    },
    Case {
        files: &[(
            "unitward/db.conf",
            "# mine\n[Service]\nExecStart=/usr/bin/true\n",
        )],
        at: "unitward/db.conf:",
        says: &["ends in .ward", "did you mean \"db.ward\"?"],
        mend: Mend::Rename("unitward/db.conf", "unitward/db.ward"),
    },
    Case {
        files: &[(
            "unitward/db.ward.d/limit.conf",
            "[Recovery]\nDeathLimit=1\n",
        )],
        at: "unitward/db.ward.d:",
        says: &["there is no db.ward", "write that"],
        mend: Mend::Add("unitward/db.ward", "[Service]\nExecStart=/usr/bin/true\n"),
    },
    Case {
        files: &[
            WEB,
            ("unitward/web.ward.d/limit", "[Recovery]\nDeathLimit=1\n"),
        ],
        at: "unitward/web.ward.d/limit:",
        says: &["end in .conf", "rename the file"],
        mend: Mend::Rename(
            "unitward/web.ward.d/limit",
            "unitward/web.ward.d/limit.conf",
        ),
    },
    Case {
        files: &[
            ("unitward/b.ward", "[Ward]\nUnit=telldusd.service\n"),
            ("unitward/c.ward", "[Ward]\nUnit=telldusd.service\n"),
        ],
        at: "unitward/c.ward:2:6:",
        says: &["guarded by /etc/unitward/b.ward already", "remove one"],
        mend: Mend::Remove("unitward/c.ward"),
    },
    Case {
        files: &[WEB, ("unitward/web.conf", "# my settings\nDeathLimit=1\n")],
        at: "unitward/web.conf:",
        says: &[
            "nobody reads this file",
            "a ward is called web.ward",
            "unitward.conf.d/web.conf",
        ],
        mend: Mend::Remove("unitward/web.conf"),
    },
    Case {
        files: &[WEB, ("unitward/web.ward.d/x.conf", "-> /nowhere")],
        at: "unitward/web.ward.d/x.conf:",
        says: &[
            "the link leads nowhere",
            "the ward web is ignored as a whole",
        ],
        mend: Mend::Remove("unitward/web.ward.d/x.conf"),
    },
    Case {
        files: &[
            (
                "unitward/web.ward",
                "[Service]\nExecStart=/usr/bin/sleep 1\n[Recovery]\nDeathLimit=3\n",
            ),
            ("unitward/web.ward.d/x.conf", "[Recovery]\nDeathLimit=x\n"),
        ],
        at: "unitward/web.ward.d/x.conf:2:12:",
        says: &["what the files before this drop-in say applies, else the default"],
        mend: Mend::Write {
            file: "unitward/web.ward.d/x.conf",
            wrong: "=x",
            right: "=4",
        },
    },
    // The administrator's own unit files.
    unit_files::MASKED,
    unit_files::SHADOWS_A_PACKAGE,
    unit_files::OVERRIDDEN,
    unit_files::TAKES_A_LIST_AWAY,
    unit_files::RESTART_BEHIND,
    unit_files::RESTART_OFF,
    unit_files::RESTART_OF_DEFINED,
    unit_files::WAIT_BEHIND,
    unit_files::STATUSES_BEHIND,
    unit_files::LIMIT_ACTS,
    unit_files::BOTH_TIMEOUTS,
    // Settings.
    file!("unitward/unitward.conf", "[MQTT]\nBroker=tcp://broker:1883\n", "2:8:", ["did you mean \"mqtt://broker:1883\"?"], "tcp:" => "mqtt:"),
    file!("unitward/unitward.conf", "[MQTT]\nBroker=mqtt://::1:1884\n", "2:8:", ["stands in brackets", "did you mean \"mqtt://[::1]:1884\"?"], "::1:" => "[::1]:"),
    file!("unitward/unitward.conf", "[Watch]\nUnits=*.mount inetd.service\n", "2:7:", ["*.mount takes no unit", "write *.service"], "*.mount" => "*.service"),
    file!("unitward/unitward.conf", "[MQTT]\nBroker=mqtts://h\nCertFile=cert\n", "3:10:", ["KeyFile= is missing", "write that too"], "CertFile=cert" => "CertFile=cert\nKeyFile=key"),
    file!("unitward/unitward.conf", "[MQTT]\nBroker=mqtt://h\nCAFile=ca\n", "3:8:", ["no effect with mqtt://", "Broker=mqtts://HOST"], "mqtt:" => "mqtts:"),
    file!("unitward/unitward.conf", "[MQTT]\nBroker=mqtt://h\nCrashTopic=Crash/#\n", "3:12:", ["without the wildcards"], "/#" => "/Reports"),
    file!("unitward/unitward.conf", "[Reports]\nHistoryMaxUse=16 MB\n", "2:15:", ["expected a size", "as in 16M"], "16 MB" => "16M"),
    file!("unitward/unitward.conf", "[Reports]\nHistoryMaxUse=1\n", "2:15:", ["at least 256K", "as in 16M"], "=1" => "=1M"),
    file!("unitward/unitward.conf", "NodeId=x\n", "1:1:", ["before the first [Section]"], "NodeId" => "[Node]\nNodeId"),
    secrets::NO_PASSWORD,
    secrets::PASSWORD_AND_MORE,
    secrets::PASSWORD_FOR_ALL,
    secrets::NO_AUTHORITIES,
    secrets::NO_PEM,
];
