//! Tests of how failures are told apart, and of their texts.

use super::*;
use std::net::ToSocketAddrs;

#[test]
fn a_name_that_does_not_resolve_is_told_from_other_errors() {
    let error = ("host.invalid", 1883)
        .to_socket_addrs()
        .expect_err("RFC 6761 says that there is none");
    assert!(
        matches!(Failure::of_io(&error), Failure::UnknownHost(_)),
        "{error:?}"
    );
}

#[test]
fn what_tls_says_is_found_inside_the_error_of_the_socket() {
    let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
    let error = io::Error::new(io::ErrorKind::InvalidData, alert);
    assert_eq!(
        Failure::of_io(&error),
        Failure::ClientCertificate("CertificateRequired".into())
    );
    let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
    let error = io::Error::new(io::ErrorKind::InvalidData, expired);
    assert_eq!(Failure::of_handshake(&error), Failure::Expired);
    let error = io::ErrorKind::UnexpectedEof.into();
    assert!(matches!(Failure::of_handshake(&error), Failure::NoTls(_)));
}

#[test]
fn a_certificate_for_others_is_told_with_their_names() {
    let expected = rustls::pki_types::ServerName::try_from("broker").unwrap();
    for (presented, expect) in [
        (
            vec![
                "DnsName(\"a.example\")".to_owned(),
                "IpAddress(10.0.0.1)".to_owned(),
            ],
            "a.example, 10.0.0.1",
        ),
        (vec![], "no name at all"),
        (
            vec!["DnsName(\"a\")".to_owned(); 5_000],
            "a, a, a, a, others",
        ),
    ] {
        let error = CertificateError::NotValidForNameContext {
            expected: expected.clone(),
            presented,
        };
        assert_eq!(
            Failure::of_certificate(&error),
            Failure::WrongName(format!(", but for {expect}"))
        );
    }
}

#[test]
fn a_certificate_of_version_1_is_told_as_that() {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let old = CertificateDer::from_pem_slice(include_bytes!("../fixtures/version-1.pem")).unwrap();
    let error = rustls::server::ParsedCertificate::try_from(&old)
        .err()
        .expect("it is not taken");
    assert_eq!(
        Failure::of_tls(&error),
        Failure::BadCertificate(VERSION_1.to_owned())
    );
}

#[test]
fn the_names_of_a_certificate_are_cut_and_safe_to_be_shown() {
    let expected = rustls::pki_types::ServerName::try_from("broker").unwrap();
    let presented = vec![format!("DnsName(\"a\u{1b}[2J\u{202e}{}\")", "é".repeat(40_000)); 2];
    let error = CertificateError::NotValidForNameContext {
        expected,
        presented,
    };
    let Failure::WrongName(words) = Failure::of_certificate(&error) else {
        panic!("{error}")
    };
    assert!(
        words.starts_with(", but for a\u{fffd}[2J\u{fffd}é"),
        "{words}"
    );
    assert!(
        words.len() <= ", but for ".len() + 2 * TEXT + ", ".len(),
        "{words}"
    );
    assert!(
        words.chars().all(crate::core::visible::is_visible),
        "{words}"
    );
}

#[test]
fn only_what_a_report_can_cause_is_blamed_on_one() {
    for (failure, blame) in [
        (Failure::HungUp, Blame::OnTheirWay),
        (Failure::Oversized, Blame::OnTheirWay),
        (
            Failure::Refused("it is shutting down".into()),
            Blame::Nobody,
        ),
        (
            Failure::Unauthorized("NotAuthorized".into()),
            Blame::OnTheirWay,
        ),
        (Failure::Network("No route to host".into()), Blame::Nobody),
        (
            Failure::Violation(Violation::Acknowledgement),
            Blame::OnTheirWay,
        ),
        (Failure::Violation(Violation::Message), Blame::Nobody),
    ] {
        assert_eq!(failure.blame(), blame, "{failure}");
    }
}
