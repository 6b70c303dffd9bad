//! Broken texts of ward files.

/// What is left of the ward.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Left {
    /// No unit is written.
    Nothing,
    /// The unit is written, without what was wrong.
    Unit,
}
use Left::{Nothing, Unit};

/// A sound service that a mistake is added to.
pub(crate) const S: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

/// A broken text, the line that must be named (0: the file), words of the advice, and what is left.
type Broken = (&'static str, usize, &'static str, Left);

/// Whole files.
const FILES: &[Broken] = &[
    (
        "[Srevice]\nExecStart=/bin/true\n",
        1,
        "did you mean \"Service\"",
        Nothing,
    ),
    ("[OnDeath]\nLog=x\n", 0, "write ExecStart=", Nothing),
    ("# nothing but a comment\n", 0, "write ExecStart=", Nothing),
    ("\n", 0, "write ExecStart=", Nothing),
    (
        "ExecStart=/bin/true\n",
        1,
        "before the first [Section]",
        Nothing,
    ),
    ("[Service]\nExecStart=\n", 0, "write ExecStart=", Nothing),
    (
        "[Service]\nExecStart=bin/true\n",
        2,
        "absolute path",
        Nothing,
    ),
    (
        "[Service]\nExecStart=/usr/bin/\n",
        2,
        "absolute path",
        Nothing,
    ),
    (
        "[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n",
        3,
        "oneshot",
        Nothing,
    ),
    ("[Service\nExecStart=/bin/true\n", 1, "[Section]", Nothing),
    ("[Ward]\nUnit=\n", 0, "write ExecStart=", Nothing),
    (
        "[Ward]\nUnit=bad name.service\n",
        2,
        "only letters",
        Nothing,
    ),
    ("[Ward]\nUnit=mosquitto\n", 2, "suffix", Nothing),
    (
        "[Ward]\nUnit=mosquitto.socket\n",
        2,
        "only a .service",
        Nothing,
    ),
    ("[Ward]\nUnit=getty@.service\n", 2, "instance", Nothing),
    (
        "[Ward]\nUnit=../../../etc/passwd.service\n",
        2,
        "only letters",
        Nothing,
    ),
    (
        "[Ward]\nUnit=not-there.service\n",
        0,
        "check the name",
        Unit,
    ),
    (
        "[Ward]\nUnit=guarded.service\n[Service]\nExecStart=/bin/true\n",
        2,
        "keep one",
        Nothing,
    ),
];

/// What is added to a sound service.
const ADDED: &[Broken] = &[
    ("Restart=sometimes\n", 3, "on-failure", Nothing),
    ("Type=simpel\n", 3, "forking", Nothing),
    ("Type=oneshot\nRestart=always\n", 4, "on-failure", Nothing),
    ("what is this\n", 3, "Key=Value", Nothing),
    ("ExecStartPre=./relative\n", 3, "absolute path", Nothing),
    (
        "[Recovry]\nDeathLimit=1\n",
        3,
        "did you mean \"Recovery\"",
        Unit,
    ),
    (
        "[Recovery]\nDeathLimt=1\n",
        4,
        "did you mean \"DeathLimit\"",
        Unit,
    ),
    ("[Recovery]\nDelaySec=soon\n", 4, "time span", Unit),
    ("[Recovery]\nDelaySec=-1s\n", 4, "time span", Unit),
    ("[Recovery]\nMaxDelaySec=infinity\n", 4, "for ever", Unit),
    (
        "[Recovery]\nResetAfterSec=900000000000000\n",
        4,
        "time span",
        Unit,
    ),
    ("[Recovery]\nDeathLimit=many\n", 4, "number of deaths", Unit),
    (
        "[Recovery]\nDeathLimit=99999999999999999999\n",
        4,
        "number of deaths",
        Unit,
    ),
    (
        "[Recovery]\nOnLimit=panic\n",
        4,
        "exclude, restart-stack, reboot or none",
        Unit,
    ),
    (
        "[Recovery]\nOnLimit=restart-stack\n",
        4,
        "belongs to no stack",
        Unit,
    ),
    (
        "[Recovery]\nReadmitAfterSec=5\n",
        4,
        "not in this version",
        Unit,
    ),
    ("[Ward]\nReport=perhaps\n", 4, "abnormal, death or no", Unit),
    ("[Ward]\nStack=opensync\n", 4, "there is no stack", Unit),
    ("[Ward]\nGruop=x\n", 4, "unknown key", Unit),
    ("[OnDaeth]\nLog=x\n", 3, "did you mean \"OnDeath\"", Unit),
    ("[OnState up down]\nLog=x\n", 3, "not in this version", Unit),
    ("[OnDeath]\n", 3, "add one", Unit),
    ("[OnDeath a/b]\nLog=x\n", 3, "letters", Unit),
    (
        "[OnDeath]\nExceute=/bin/true\n",
        4,
        "did you mean \"Execute\"",
        Unit,
    ),
    ("[OnDeath]\nExecute=true\n", 4, "absolute path", Unit),
    ("[OnDeath]\nExecute=-\n", 4, "a command is expected", Unit),
    ("[OnDeath]\nExecute=@/bin/true\n", 4, "only - and +", Unit),
    (
        "[OnDeath]\nExecute=/bin/echo 'open\n",
        4,
        "not closed",
        Unit,
    ),
    ("[OnDeath]\nExecute=/bin/echo 100%\n", 4, "%%", Unit),
    ("[OnDeath]\nExecute=/bin/echo %Z\n", 4, "%%", Unit),
    (
        "[OnDeath]\nExecute=/bin/true ; /bin/touch /tmp/injected\n",
        4,
        "second step",
        Unit,
    ),
    (
        "[OnDeath]\nExecute=/bin/echo \\x0aExecStart=/bin/touch\n",
        4,
        "escapes",
        Unit,
    ),
    (
        "[OnDeath]\nWaitFor=\n[OnDeath]\nWaitFor=a while\n",
        6,
        "time span",
        Unit,
    ),
    (
        "[OnDeath]\nWaitFor=path:relative 1s\n",
        4,
        "absolute path",
        Unit,
    ),
    ("[OnDeath]\nWaitFor=tcp:nowhere 1s\n", 4, "port", Unit),
    ("[OnDeath]\nWaitFor=bus:nodot 1s\n", 4, "bus name", Unit),
    (
        "[OnDeath]\nWaitFor=status:g/i 1s\n",
        4,
        "not in this version",
        Unit,
    ),
    ("[OnDeath]\nRestart=inetd\n", 4, "suffix", Unit),
    (
        "[OnDeath]\nRestart=a.service b.service\n",
        4,
        "only letters",
        Unit,
    ),
    (
        "[OnDeath]\nRestart=%n\nLog=x\nRestart=%n\n",
        6,
        "keep one",
        Unit,
    ),
    ("[OnStart]\nRestart=%n\n", 4, "[OnDeath]", Unit),
    (
        "[OnDeath]\nSignal=x.service SIGNONSENSE\n",
        4,
        "SIGHUP",
        Unit,
    ),
    ("[OnDeath]\nReboot=maybe\n", 4, "force", Unit),
    ("[OnDeath]\nElseLog=x\n", 4, "step above", Unit),
    (
        "[OnDeath]\nLog=x\nOnStepFailure=explode\n",
        5,
        "continue, break or fail",
        Unit,
    ),
    ("[OnDeath]\nLog=x\nDoNow=perhaps\n", 5, "yes or no", Unit),
    (
        "[OnDeath]\nStatus=g/i 1 text\n",
        4,
        "not in this version",
        Unit,
    ),
    (
        "[OnDeath]\nLog=x\nno equals sign here\n",
        5,
        "Key=Value",
        Unit,
    ),
    ("[Install]\nWantedBy=nonsense\n", 4, "suffix", Unit),
    (
        "TimeoutStartSec=1s\n[OnDeath]\nWaitFor=1min\n",
        3,
        "write 2min 30s",
        Unit,
    ),
];

/// Gives all texts, whole.
pub(crate) fn texts() -> Vec<(String, usize, &'static str, Left)> {
    let files = FILES
        .iter()
        .map(|&(text, line, advice, left)| (text.to_owned(), line, advice, left));
    let added = ADDED
        .iter()
        .map(|&(text, line, advice, left)| (format!("{S}{text}"), line, advice, left));
    files.chain(added).collect()
}
