//! The way to a broker: over TLS, with certificates, logins and credentials, and what is said when one of them is wrong.

use crate::brokers::{
    assert_patience, connections, die, front, front_knocks, told, wait_for_pids, wait_for_status,
    wait_for_word, watch_web,
};
use crate::certificates::{Authority, Key, Pair, Valid};
use crate::host::{Access, Debian, Host};
use crate::on_both;
use crate::report::cloud;

/// By which names and addresses a host reaches itself.
const HERE: &str = "DNS:localhost,IP:127.0.0.1,IP:::1";
/// The host's broker over TLS, with its authority.
const OVER_TLS: &str = "Broker=mqtts://127.0.0.1:8883\nCAFile=/etc/unitward/ca.pem\n";
/// MESSAGE_IDs.
const TLS_AUTHORITY: &str = "2e63565be3ce4572838e84e9b8d95361";
const TLS_EXPIRED: &str = "cda2834bea304eee9c87433387ff1da8";
const TLS_NAME: &str = "7344fd8f2c594081a70e434ba3da1a4a";
const TLS_MISSING: &str = "aadb9d9d5cbf4e5fae8b95acdba7b5c2";
const TLS_CLIENT: &str = "4ee8b5dd8cf94a4986e91ffa55a4d920";
const FILE: &str = "d1ad96eafc2a48d09a0c1cf7a062f3c8";
const UNKNOWN_HOST: &str = "1773975699864ae49f9e126c5bd928a7";
const DISCONNECTED: &str = "e96d0b31f2c84a579b08d5167ae423cc";

/// A host with a broker that speaks TLS on port 8883, and passes on what it gets to the host's own.
struct Secure {
    host: Host,
    authority: Authority,
}

impl From<Debian> for Secure {
    fn from(debian: Debian) -> Self {
        let secure = Self {
            host: Host::boot(debian),
            authority: Authority::new("authority"),
        };
        secure.serve(&secure.authority.certify(HERE, Valid::Now), "");
        secure.trust(&secure.authority);
        secure
    }
}

impl Secure {
    /// Lets the broker show this certificate, with `more` settings of its listener.
    fn serve(&self, pair: &Pair, more: &str) {
        pair.install(&self.host, "/etc/front/broker", "mosquitto");
        self.host
            .write("/etc/front/ca.pem", &self.authority.certificate());
        let files = "cafile /etc/front/ca.pem\ncertfile /etc/front/broker.crt\nkeyfile /etc/front/broker.key";
        front(
            &self.host,
            &format!(
                "listener 8883\nallow_anonymous true\n{files}\n{more}\nlistener 1884\nallow_anonymous true"
            ),
        );
    }

    /// Makes this an authority that counts, beside one that nobody knows.
    fn trust(&self, authority: &Authority) {
        let other = Authority::new("other").certificate();
        self.host.write(
            "/etc/unitward/ca.pem",
            &format!("{other}\n{}", authority.certificate()),
        );
    }

    /// What is wrong is said once, the tries are few, and the report arrives once `mend` has put it right.
    fn is_told_and_mended(&self, settings: &str, (id, word): (&str, &str), mend: impl FnOnce()) {
        let host = &self.host;
        let reports = cloud(host, settings);
        watch_web(host);
        let killed = die(host, 1);
        wait_for_word(host, id, word);
        assert_patience(host, || front_knocks(host, 8883));
        assert_eq!(told(host).len(), 1, "{:?}", told(host));
        mend();
        wait_for_pids(host, &reports, &killed);
        assert_eq!(
            told(host).iter().filter(|(said, _)| said == id).count(),
            1,
            "{:?}",
            told(host)
        );
        assert_eq!(connections(host).len(), 1, "{:?}", connections(host));
    }
}

/// The reports of one death over a way that is in order.
fn assert_in_order(secure: &Secure, settings: &str) {
    let reports = cloud(&secure.host, settings);
    let killed = die(&secure.host, 1);
    wait_for_pids(&secure.host, &reports, &killed);
    assert_eq!(told(&secure.host), [], "{settings}");
}

on_both! {
    fn reports_go_over_tls_by_name_and_by_address(secure: Secure) {
        watch_web(&secure.host);
        for broker in ["127.0.0.1:8883", "localhost", "[::1]:8883"] {
            assert_in_order(&secure, &format!("Broker=mqtts://{broker}\nCAFile=/etc/unitward/ca.pem\n"));
            assert!(connections(&secure.host)[0].ends_with(", speaking MQTT 5."), "{:?}", connections(&secure.host));
        }
        assert_in_order(&secure, "Broker=mqtt://[::1]:1884\n");
    }

    fn the_authorities_of_the_host_count_where_none_are_named(secure: Secure) {
        secure.is_told_and_mended(
            "Broker=mqtts://127.0.0.1\n",
            (FILE, "failed to read the authorities of this host: there are none; install ca-certificates, or name yours with CAFile="),
            || secure.host.write("/etc/ssl/certs/ca-certificates.crt", &secure.authority.certificate()),
        );
    }

    fn a_broker_of_an_unknown_authority_is_not_trusted(secure: Secure) {
        // One that has the name of the true one, as an authority that was made anew, and one that has another.
        for name in ["authority", "somebody"] {
            secure.trust(&Authority::new(name));
            secure.is_told_and_mended(
                OVER_TLS,
                (TLS_AUTHORITY, "the broker's certificate is from an authority that is not trusted here (check CAFile=)"),
                || secure.trust(&secure.authority),
            );
        }
    }

    fn a_broker_whose_certificate_has_expired_is_not_trusted(secure: Secure) {
        secure.serve(&secure.authority.certify(HERE, Valid::Once), "");
        secure.is_told_and_mended(
            OVER_TLS,
            (TLS_EXPIRED, "the broker's certificate has expired (check the clock of this host, too)"),
            || secure.serve(&secure.authority.certify(HERE, Valid::Now), ""),
        );
    }

    fn a_broker_whose_certificate_is_not_valid_yet_is_not_trusted(secure: Secure) {
        secure.serve(&secure.authority.certify(HERE, Valid::Some), "");
        secure.is_told_and_mended(
            OVER_TLS,
            (TLS_EXPIRED, "the broker's certificate is not valid yet (check the clock of this host)"),
            || secure.serve(&secure.authority.certify(HERE, Valid::Now), ""),
        );
    }

    fn a_broker_with_the_certificate_of_another_host_is_not_trusted(secure: Secure) {
        secure.serve(&secure.authority.certify("DNS:other.example,IP:10.0.0.1", Valid::Now), "");
        secure.is_told_and_mended(
            OVER_TLS,
            (TLS_NAME, "the broker's certificate is not for the host in Broker=, but for other.example, 10.0.0.1"),
            || secure.serve(&secure.authority.certify(HERE, Valid::Now), ""),
        );
    }

    fn a_broker_that_demands_a_client_certificate_is_shown_one_in_any_form(secure: Secure) {
        let demand = || secure.serve(&secure.authority.certify(HERE, Valid::Now), "require_certificate true");
        demand();
        secure.is_told_and_mended(
            OVER_TLS,
            (TLS_CLIENT, "the broker refuses us without a valid client certificate, it says CertificateRequired (check CertFile= and KeyFile=)"),
            || secure.serve(&secure.authority.certify(HERE, Valid::Now), ""),
        );
        demand();
        let ours = "CertFile=/etc/unitward/gateway.crt\nKeyFile=/etc/unitward/gateway.key\n";
        for key in [Key::Pkcs8, Key::Pkcs1, Key::Sec1] {
            secure.authority.certify_key("DNS:gateway", Valid::Now, key).install(&secure.host, "/etc/unitward/gateway", "root");
            assert_in_order(&secure, &format!("{OVER_TLS}{ours}"));
        }
    }

    fn a_client_certificate_that_is_replaced_needs_no_reload(secure: Secure) {
        secure.serve(&secure.authority.certify(HERE, Valid::Now), "require_certificate true");
        let (host, ours) = (&secure.host, "CertFile=/etc/unitward/gateway.crt\nKeyFile=/etc/unitward/gateway.key\n");
        secure.authority.certify("DNS:gateway", Valid::Once).install(host, "/etc/unitward/gateway", "root");
        secure.is_told_and_mended(
            &format!("{OVER_TLS}{ours}"),
            (TLS_CLIENT, "the broker refuses us without a valid client certificate, it says CertificateExpired (check CertFile= and KeyFile=)"),
            || secure.authority.certify("DNS:gateway", Valid::Now).install(host, "/etc/unitward/gateway", "root"),
        );
    }

    fn files_that_cannot_be_used_are_told_by_their_key(secure: Secure) {
        let host = &secure.host;
        secure.serve(&secure.authority.certify(HERE, Valid::Now), "require_certificate true");
        host.write("/etc/unitward/none.pem", "there is nothing in here\n");
        let pair = secure.authority.certify("DNS:gateway", Valid::Now);
        pair.install(host, "/etc/unitward/gateway", "root");
        secure.authority.certify("DNS:other", Valid::Now).install(host, "/etc/unitward/other", "root");
        for (settings, word) in [
            ("CAFile=/etc/unitward/no.pem\n", "CAFile=/etc/unitward/no.pem: No such file or directory (os error 2)"),
            ("CAFile=/etc/unitward/none.pem\n", "CAFile=: the file holds no certificate in PEM"),
            ("CertFile=/etc/unitward/gateway.crt\nKeyFile=/etc/unitward/none.pem\n", "KeyFile=: the file holds no private key in PEM without a passphrase"),
            ("CertFile=/etc/unitward/gateway.crt\nKeyFile=gateway.key\n", "KeyFile=gateway.key: unitwardd.service has no credentials, see LoadCredential= in systemd.exec(5)"),
        ] {
            drop(cloud(host, &format!("{OVER_TLS}{settings}")));
            wait_for_word(host, FILE, &format!("failed to read {word}"));
        }
        host.write_mode("/etc/unitward/old.crt", include_bytes!("../../src/shell/daemon/cloud/fixtures/version-1.pem"), Access { mode: 0o644, uid: 0 });
        secure.authority.certify_key("DNS:large", Valid::Now, Key::P521).install(host, "/etc/unitward/large", "root");
        for (certificate, key, word) in [
            ("gateway", "other", "CertFile= and KeyFile=: the certificate is for another key than this one"),
            ("old", "gateway", "CertFile=: it is a certificate of X.509 version 1, and only version 3 is taken"),
            ("large", "large", "KeyFile=: a key of this kind cannot be used here; known are ECDSA on P-256 and P-384 (not P-521)"),
        ] {
            drop(cloud(host, &format!("{OVER_TLS}CertFile=/etc/unitward/{certificate}.crt\nKeyFile=/etc/unitward/{key}.key\n")));
            wait_for_word(host, FILE, &format!("failed to read {word}"));
            let checked = host.sh("unitward check 2>&1");
            assert!(checked.contains(&format!("warning: there is no connection: {word}")), "{checked}");
        }
        watch_web(host);
        assert_in_order(&secure, &format!("{OVER_TLS}CertFile=/etc/unitward/gateway.crt\nKeyFile=/etc/unitward/gateway.key\n"));
    }

    fn a_broker_whose_key_is_not_known_here_is_told_with_a_guess(secure: Secure) {
        secure.serve(&secure.authority.certify_key(HERE, Valid::Now, Key::P521), "");
        drop(cloud(&secure.host, OVER_TLS));
        wait_for_status(&secure.host, "P-521");
    }

    fn secrets_may_be_credentials_of_the_service(secure: Secure) {
        let host = &secure.host;
        host.sh("mosquitto_passwd -b -c /etc/front/passwords gateway open-sesame; chown mosquitto /etc/front/passwords");
        secure.serve(&secure.authority.certify(HERE, Valid::Now), "require_certificate true\npassword_file /etc/front/passwords");
        host.sh("sed -i '0,/allow_anonymous true/s//allow_anonymous false/' /etc/front/conf; systemctl restart front");
        // Where the daemon itself could not read them.
        secure.authority.certify("DNS:gateway", Valid::Now).install(host, "/root/gateway", "root");
        host.write_mode("/root/password", b"open-sesame\n", Access { mode: 0o600, uid: 0 });
        host.write("/root/ca.pem", &secure.authority.certificate());
        host.write(
            "/etc/systemd/system/unitwardd.service.d/broker.conf",
            "[Service]\nLoadCredential=password:/root/password\nLoadCredential=ca.pem:/root/ca.pem\n\
             LoadCredential=gateway.crt:/root/gateway.crt\nLoadCredential=gateway.key:/root/gateway.key\n",
        );
        watch_web(host);
        assert_in_order(&secure, "Broker=mqtts://127.0.0.1\nCAFile=ca.pem\nCertFile=gateway.crt\nKeyFile=gateway.key\nUsername=gateway\nPasswordFile=password\n");
        assert_eq!(host.sh("unitward check 2>&1"), "0 wards in effect, no problem found.");
    }

    fn tls_where_there_is_none_and_none_where_there_is_are_told(secure: Secure) {
        drop(cloud(&secure.host, "Broker=mqtts://127.0.0.1:1884\nCAFile=/etc/unitward/ca.pem\n"));
        wait_for_word(&secure.host, TLS_MISSING, "no TLS is spoken there: the broker hung up during the handshake (plain MQTT wants mqtt://)");
        let reports = cloud(&secure.host, "Broker=mqtt://127.0.0.1:8883\n");
        wait_for_word(&secure.host, DISCONNECTED, "the broker hung up instead of answering (a port for TLS wants mqtts://)");
        assert_patience(&secure.host, || front_knocks(&secure.host, 8883));
        assert_eq!(told(&secure.host).len(), 1, "{:?}", told(&secure.host));
        drop(reports);
        let complaints = secure.host.sh("printf '[MQTT]\\nCAFile=ca.pem\\n' >>/etc/unitward/unitward.conf; unitward check 2>&1");
        assert!(complaints.contains("warning: CAFile= has no effect with mqtt://; write Broker=mqtts://HOST for TLS"), "{complaints}");
    }

    fn an_unknown_host_is_told_and_found_once_it_has_an_address(secure: Secure) {
        secure.is_told_and_mended(
            "Broker=mqtts://cloud.example\nCAFile=/etc/unitward/ca.pem\n",
            (UNKNOWN_HOST, "the host name is not known: "),
            || {
                secure.serve(&secure.authority.certify("DNS:cloud.example", Valid::Now), "");
                secure.host.sh("echo '127.0.0.1 cloud.example' >>/etc/hosts");
            },
        );
    }
}
