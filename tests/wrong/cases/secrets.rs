//! Settings that name files of no use: of a password, or of certificates.

use super::{Case, Mend};

/// The password's file does not exist.
pub(super) const NO_PASSWORD: Case = Case {
    files: &[(
        "unitward/unitward.conf",
        "[MQTT]\nBroker=mqtt://h\nUsername=u\nPasswordFile=/etc/unitward/password\n",
    )],
    at: "unitward/unitward.conf:4:14:",
    says: &["does not exist", "put it there"],
    mend: Mend::Add("unitward/password", "secret\n"),
};

/// The password's file holds a comment, too.
pub(super) const PASSWORD_AND_MORE: Case = Case {
    files: &[
        (
            "unitward/unitward.conf",
            "[MQTT]\nBroker=mqtt://h\nUsername=u\nPasswordFile=/etc/unitward/password\n",
        ),
        ("unitward/password", "# the password\nsecret\n"),
    ],
    at: "unitward/unitward.conf:4:14:",
    says: &["several lines", "leave only the password"],
    mend: Mend::Write {
        file: "unitward/password",
        wrong: "# the password\n",
        right: "",
    },
};

/// Every user can read the password's file.
pub(super) const PASSWORD_FOR_ALL: Case = Case {
    files: &[
        (
            "unitward/unitward.conf",
            "[MQTT]\nBroker=mqtt://h\nUsername=u\nPasswordFile=/etc/unitward/secret\n",
        ),
        ("unitward/secret", "secret\n"),
    ],
    at: "unitward/unitward.conf:4:14:",
    says: &["can be read by every user", "chmod 600"],
    mend: Mend::Mode("unitward/secret", 0o600),
};

/// The host's list of authorities is empty.
pub(super) const NO_AUTHORITIES: Case = Case {
    files: &[
        ("unitward/unitward.conf", "[MQTT]\nBroker=mqtts://h\n"),
        ("ssl/certs/ca-certificates.crt", ""),
    ],
    at: "unitward/unitward.conf:2:8:",
    says: &["no authority", "install ca-certificates", "CAFile="],
    mend: Mend::Add(
        "ssl/certs/ca-certificates.crt",
        "-----BEGIN CERTIFICATE-----\n",
    ),
};

/// The authority's certificate is in DER.
pub(super) const NO_PEM: Case = Case {
    files: &[
        (
            "unitward/unitward.conf",
            "[MQTT]\nBroker=mqtts://h\nCAFile=/etc/unitward/ca.der\n",
        ),
        ("unitward/ca.der", "0\u{82}"),
    ],
    at: "unitward/unitward.conf:3:8:",
    says: &["no certificate in PEM", "openssl x509"],
    mend: Mend::Write {
        file: "unitward/ca.der",
        wrong: "0",
        right: "-----BEGIN CERTIFICATE-----",
    },
};
