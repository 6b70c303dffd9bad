//! Completions as the shells use them.

use crate::host::Host;
use crate::on_both;

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
    lines.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

on_both! {
    #[cfg(feature = "full")]
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
    }

    fn each_shell_has_its_file_and_asks_the_program(host: Host) {
        host.sh("bash -n /usr/share/bash-completion/completions/unitward");
        for (shell, file) in [("zsh", "/usr/share/zsh/vendor-completions/_unitward"), ("fish", "/usr/share/fish/vendor_completions.d/unitward.fish")] {
            let text = host.read(file);
            assert!(text.contains(&format!("UNITWARD_COMPLETE={shell} unitward -- ")) || text.contains(&format!("UNITWARD_COMPLETE=\"{shell}\"")), "{text}");
        }
        assert!(host.read("/usr/share/zsh/vendor-completions/_unitward").starts_with("#compdef unitward\n"));
    }
}
