//! Tests of the section `[MQTT]`, of broker addresses most of all.

use super::super::{SourceFile, read_settings};
use super::*;

/// The settings that these lines of `[MQTT]` make, and the problems without their place.
fn check(lines: &str) -> (Mqtt, Vec<String>) {
    let text = format!("[MQTT]\n{lines}");
    let file = SourceFile {
        path: std::path::Path::new("f").into(),
        text,
    };
    let (settings, problems) = read_settings(&[file]);
    (
        settings.mqtt,
        problems
            .iter()
            .map(|problem| problem.to_string().split_off(2))
            .collect(),
    )
}

#[test]
fn broker_addresses_are_read_whole() {
    for (text, host, port) in [
        ("mqtt://10.0.0.1:1884", "10.0.0.1", 1884),
        ("mqtts://cloud.example/", "cloud.example", 8883),
        ("mqtt://[fd00::1]:99", "fd00::1", 99),
        ("mqtt://[fd00::1]", "fd00::1", 1883),
    ] {
        let broker = broker(text).ok().unwrap();
        assert_eq!((broker.host.as_str(), broker.port), (host, port), "{text}");
    }
    for bad in [
        "broker",
        "http://x",
        "mqtt://",
        "mqtt://h:0",
        "mqtt://h:x",
        "mqtt://u:p@h",
        "mqtt://a b",
    ] {
        assert!(broker(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_ipv6_address_without_brackets_is_refused_with_the_right_form() {
    for (text, nearest) in [
        ("mqtt://::1:1884", Some("mqtt://[::1]:1884")),
        ("mqtts://fd00::1", Some("mqtts://[fd00::1]")),
        ("mqtt://fe80::1%eth0", Some("mqtt://[fe80::1%eth0]")),
        (
            "mqtt://2001:db8:0:0:0:0:0:1",
            Some("mqtt://[2001:db8:0:0:0:0:0:1]"),
        ),
        ("mqtt://a:b:1883", None),
    ] {
        let wrong = broker(text).unwrap_err();
        assert_eq!(
            (wrong.why.as_str(), wrong.nearest.as_deref()),
            ("an IPv6 address stands in brackets", nearest),
            "{text}"
        );
        assert!(
            nearest.is_none_or(|nearest| broker(nearest).is_ok()),
            "{text}"
        );
    }
}

#[test]
fn a_file_is_an_absolute_path_or_a_credential() {
    for (text, expect) in [
        (
            "/etc/unitward/password",
            Some(FileAt::Path("/etc/unitward/password".into())),
        ),
        (
            "broker.password",
            Some(FileAt::Credential("broker.password".into())),
        ),
        ("", None),
    ] {
        assert_eq!(
            check(&format!("Username=u\nPasswordFile={text}\n"))
                .0
                .password_file,
            expect,
            "{text}"
        );
    }
    for bad in ["a/b", "./a", "../a", "..", "two words", "na\u{ef}ve", "a:b"] {
        let (mqtt, problems) = check(&format!("CAFile={bad}\n"));
        assert_eq!(mqtt.ca_file, None, "{bad}");
        let expect = format!(
            "2:8: CAFile={bad:?} is not valid: expected an absolute path, or the name of a credential of \
             unitwardd.service; the default applies"
        );
        assert_eq!(problems, [expect]);
    }
}

#[test]
fn keys_that_need_each_other_are_found_wherever_they_stand() {
    let (mqtt, problems) =
        check("Broker=mqtts://h\nCertFile=/c\nCAFile=/a\nUsername=u\n[MQTT]\nKeyFile=key\n");
    assert_eq!(problems, [""; 0]);
    let (certificate, key) = (FileAt::Path("/c".into()), FileAt::Credential("key".into()));
    assert_eq!(
        mqtt.client_certificate,
        Some(ClientCertificate { certificate, key })
    );
    for (lines, expect) in [
        (
            "CertFile=/c\n",
            r#"2:10: CertFile="/c" is not valid: KeyFile= is missing beside it; write that too, or take this line out; the default applies"#,
        ),
        (
            "\nKeyFile=k\n",
            r#"3:9: KeyFile="k" is not valid: CertFile= is missing beside it; write that too, or take this line out; the default applies"#,
        ),
        (
            "Broker=mqtt://h\nCAFile=/a\n",
            "3:8: CAFile= has no effect with mqtt://; write Broker=mqtts://HOST for TLS",
        ),
        (
            "PasswordFile=/p\n",
            "2:14: PasswordFile= has no effect without Username=; write that too, or take this line out",
        ),
    ] {
        let (mqtt, problems) = check(lines);
        assert_eq!(
            (mqtt.client_certificate, problems),
            (None, vec![expect.to_owned()]),
            "{lines}"
        );
    }
}

#[test]
fn topics_have_their_defaults_back_when_emptied() {
    let (mqtt, problems) = check("CrashTopic=a/%n\nRecoveryTopic=b/%l\nCrashTopic=\n");
    assert_eq!(
        (mqtt.crash_topic.as_str(), mqtt.recovery_topic.as_str()),
        ("Crash/Reports", "b/%l")
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(check("RecoveryTopic=a/#\n").1.len(), 1);
}

#[test]
fn the_address_of_a_web_server_is_refused_as_such_and_a_scheme_is_corrected_whole() {
    for text in ["http://b:8080/x", "https://b", "wss://b"] {
        let (_, problems) = check(&format!("Broker={text}\n"));
        assert!(
            problems[0].contains("not over HTTP or WebSocket: expected mqtt://HOST:1883"),
            "{problems:?}"
        );
    }
    let nearest = broker("mqtt+ssl://b:8883").unwrap_err().nearest;
    assert_eq!(nearest.as_deref(), Some("mqtts://b:8883"));
}
