//! Completions as the shells use them.

use crate::development::package;
use crate::host::Host;
use crate::on_both;
use crate::report::kill;
use std::env;
use std::process::Command;

/// What TAB offers after these words in bash, by way of the file that bash-completion loads.
#[track_caller]
fn offered(host: &Host, words: &str) -> Vec<String> {
    let script = format!(
        "source /usr/share/bash-completion/completions/unitward\n\
         read -ra COMP_WORDS <<<'{words} '; COMP_WORDS+=(\"$1\"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_TYPE=9\n\
         _clap_complete_unitward unitward \"$1\" \"\" 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let (before, word) = words.rsplit_once(' ').expect("a command and a word");
    let script = script.replace(&format!("'{words} '"), &format!("'{before} '"));
    let output = host.run(&["bash", "-c", &script, "bash", word]);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

on_both! {
    fn bash_knows_every_command_every_option_and_every_name(host: Host) {
        let definition = unitward::shell::cli::definition();
        let commands = offered(&host, "unitward ");
        for command in definition.get_subcommands() {
            let name = command.get_name();
            assert_eq!(commands.contains(&name.to_owned()), !command.is_hide_set(), "{name} in {commands:?}");
            let options = offered(&host, &format!("unitward {name} --"));
            for option in command.get_arguments().filter(|option| !option.is_hide_set()).filter_map(|option| option.get_long()) {
                assert!(options.contains(&format!("--{option}")), "{name} --{option} in {options:?}");
            }
        }
        host.write("/etc/unitward/web.ward", "[Service]\nExecStart=/usr/bin/sleep infinity\n");
        host.write("/etc/unitward/opensync.stack", "[Stack]\n");
        assert_eq!(offered(&host, "unitward restart-stack op"), ["opensync"]);
        assert_eq!(offered(&host, "unitward reports --ward w"), ["web"]);
        assert_eq!(offered(&host, "unitward check --root /etc/unit"), ["/etc/unitward/"]);
        assert_eq!(offered(&host, "unitward guard mosq"), ["mosquitto.service"]);
        host.write("/etc/unitward/mosquitto.ward", "[Ward]\nUnit=mosquitto.service\n");
        assert!(offered(&host, "unitward guard mosq").is_empty(), "it has a ward now");
        host.sh("systemctl daemon-reload; systemctl start web");
        let (_, run) = kill(&host, "web");
        let id = &run[..8];
        host.wait_for("the report", || offered(&host, "unitward reports show ").contains(&id.to_owned()).then_some(()));
        assert_eq!(offered(&host, &format!("unitward reports show {}", &id[..4])), [id]);
        let names_and_ids = offered(&host, "unitward timeline ");
        assert!(["web", "opensync", id].iter().all(|word| names_and_ids.contains(&(*word).to_owned())), "{names_and_ids:?}");
    }
}

/// What a script of another shell prints, with the package unpacked and its programs found. Hosts have neither shell.
fn said(shell: &str, script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = Command::new("dpkg-deb")
        .arg("--extract")
        .arg(package("unitward"))
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(unpacked.success());
    let path = format!(
        "{}:{}",
        folder.path().join("usr/bin").display(),
        env::var("PATH").expect("there is one")
    );
    let mut command = Command::new(shell);
    command
        .args(["-c", script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("HOME", folder.path());
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{shell} is missing, make tools installs it: {error}"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn zsh_answers_already_the_first_tab() {
    let file = "usr/share/zsh/vendor-completions/_unitward";
    // What zsh's own completion functions would give, in as many words.
    let shell = "compdef() {}; _describe() { print -rl -- ${(P)@[-1]} }; fpath=(usr/share/zsh/vendor-completions); autoload _unitward";
    let answer = said(
        "zsh",
        &format!("zsh -n {file}; {shell}; words=(unitward restart); CURRENT=2; _unitward"),
    );
    assert!(answer.starts_with("restart-stack:"), "{answer}");
    assert!(said("zsh", &format!("head -1 {file}")).starts_with("#compdef unitward"));
}

#[test]
fn fish_knows_commands_and_options() {
    let file = "usr/share/fish/vendor_completions.d/unitward.fish";
    let answer = said(
        "fish",
        &format!(
            "fish -n {file}; source {file}; complete -C 'unitward che'; complete -C 'unitward check --ro'"
        ),
    );
    let first: Vec<_> = answer
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(first, ["check", "--root"], "{answer}");
}
