//! Environment variables that a command of root's does not take over from a service.
//!
//! A step with `+` runs as root with the unit's environment, as far as root has written it. Even
//! then some variables are meant for the service and not for root: those that name programs or
//! files to load, such as libraries, modules, start files, configuration in a home directory,
//! helper programs, temporary directories. They are left out. The lists are those of glibc
//! (`unsecure_envvars.h`) and sudo (`env.c`, `initial_badenv_table`), and of interpreters and tools
//! that scripts commonly start; no such list is complete, which is why it is not the only
//! protection.

/// Search path of every program; it is systemd's own (systemd.exec(5)).
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Path at which PID 1 takes messages: the only value of `NOTIFY_SOCKET` that is passed on.
const NOTIFY_SOCKET: &str = "/run/systemd/notify";

/// Directory in which PID 1 puts the credentials of units (systemd.exec(5)).
const CREDENTIALS: &str = "/run/credentials/";

/// Beginnings of the names of variables that are left out.
const PREFIXES: [&str; 53] = [
    // The dynamic linker, and glibc's allocator and tunables.
    "LD_",
    "GLIBC_",
    "GCONV",
    "MALLOC_",
    // Name look-ups and locales.
    "RES_",
    "RESOLV_",
    "NIS_",
    "NLS",
    "LIBMOUNT_",
    "BLKID_",
    "TERMINFO",
    "TERMCAP",
    "TERMPATH",
    "_RLD",
    // Shells; exported functions of bash among them.
    "BASH",
    "SHELLOPTS",
    "ZDOTDIR",
    "NULLCMD",
    "READNULLCMD",
    "FPATH",
    "FCEDIT",
    // Interpreters.
    "PERL",
    "PYTHON",
    "RUBY",
    "GEM_",
    "BUNDLE_",
    "NODE_",
    "NPM_",
    "JAVA_",
    "_JAVA",
    "JDK_",
    "LUA_",
    "TCL",
    "PHP",
    "RUST_",
    "AWK",
    "ERL_",
    "GIO_",
    // Tools that read options, configuration or programs to start from the environment.
    "GIT_",
    "SSH_",
    "LESS",
    "OPENSSL_",
    "SSL_",
    "GNUTLS_",
    "GNUPG",
    "CURL_",
    "WGET",
    "RSYNC_",
    "KRB5",
    "SUDO_",
    "XDG_",
    // The bus, and systemd's own programs.
    "DBUS_",
    "SYSTEMD_",
];

/// Endings of the names of variables that are left out: search paths, plug-ins, options and
/// configuration of various tools.
const SUFFIXES: [&str; 11] = [
    "PATH",
    "_LIBDIR",
    "_LIB_DIR",
    "_PLUGINS",
    "_HOOKS",
    "OPTIONS",
    "_OPTS",
    "_CONFIG",
    "_CONFIG_FILE",
    "_HOME",
    "_LOCALE",
];

/// Variables that are left out. Those of systemd's are set again from PID 1's own values.
const NAMES: [&str; 45] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "INVOCATION_ID",
    "MAINPID",
    "SERVICE_RESULT",
    "EXIT_CODE",
    "EXIT_STATUS",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "FDSTORE",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "GETCONF_DIR",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "LOCPATH",
    "TZDIR",
    "TMPDIR",
    "TMP",
    "TEMP",
    "TEMPDIR",
    "IFS",
    "ENV",
    "CDPATH",
    "PS4",
    "GLOBIGNORE",
    "PROMPT_COMMAND",
    "CLASSPATH",
    "PAGER",
    "EDITOR",
    "VISUAL",
    "TAR_OPTIONS",
    "MAKEFLAGS",
    "GNUMAKEFLAGS",
    "MAKEFILES",
    "TMPPREFIX",
    "KUBECONFIG",
    "SSLKEYLOGFILE",
    "PGSERVICEFILE",
    "LVM_SYSTEM_DIR",
];

/// Returns true if a command of root's takes over this variable of the service.
#[must_use]
pub fn is_harmless(name: &str, value: &str) -> bool {
    match name {
        "NOTIFY_SOCKET" => return value == NOTIFY_SOCKET,
        "CREDENTIALS_DIRECTORY" => return value.starts_with(CREDENTIALS) && !value.contains(".."),
        // Each may be a path instead of a name.
        "TZ" | "TERM" | "LANG" | "LANGUAGE" => return !value.contains(['/', '%']),
        _ if name.starts_with("LC_") => return !value.contains(['/', '%']),
        _ => {}
    }
    // The kernel passes on names that no shell accepts: bash reads functions out of some of them.
    let is_plain = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_listed = NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    is_plain && !is_listed && !value.starts_with("()")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_what_a_program_loads_is_left_out_and_the_rest_is_kept() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "GCONV_PATH",
            "GLIBC_TUNABLES",
            "LOCPATH",
            "TMPDIR",
            "HOME",
            "DBUS_SYSTEM_BUS_ADDRESS",
            "SYSTEMD_OFFLINE",
            "SYSTEMD_PAGER",
            "INVOCATION_ID",
            "SERVICE_RESULT",
            "EXIT_STATUS",
            "MAINPID",
            "RUST_BACKTRACE",
            "MALLOC_TRACE",
            "BASH_ENV",
            "BASH_FUNC_ls%%",
            "ENV",
            "PERL5LIB",
            "PYTHONPATH",
            "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "GIT_SSH_COMMAND",
            "LESSOPEN",
            "XDG_CONFIG_HOME",
            "IFS",
            "XTABLES_LIBDIR",
            "TC_LIB_DIR",
            "MODPROBE_OPTIONS",
            "DOTNET_STARTUP_HOOKS",
            "APT_CONFIG",
            "NULLCMD",
            "LISTEN_FDS",
            "",
            "()",
            "a b",
            "TMP",
        ] {
            assert!(!is_harmless(name, "/home/app/x"), "{name}");
        }
        for name in [
            "PORT",
            "LANG",
            "LC_ALL",
            "http_proxy",
            "JOURNAL_STREAM",
            "DEVICE",
            "TERM",
            "ld_preload",
        ] {
            assert!(is_harmless(name, "x"), "{name}");
        }
    }

    #[test]
    fn a_variable_that_leads_to_a_file_is_kept_where_the_file_is_roots() {
        for (name, kept, left_out) in [
            ("NOTIFY_SOCKET", "/run/systemd/notify", "/home/app/notify"),
            (
                "CREDENTIALS_DIRECTORY",
                "/run/credentials/web.service",
                "/run/credentials/../../home/app",
            ),
            ("TZ", "UTC", ":/home/app/zone"),
            ("LC_MESSAGES", "C.UTF-8", "../../home/app"),
        ] {
            assert!(
                is_harmless(name, kept) && !is_harmless(name, left_out),
                "{name}"
            );
        }
    }
}
