//! Comparison of texts for people with those that are kept as fixtures.

use std::path::Path;

/// Returns a document from the fixtures of the survey.
pub(in crate::shell::cli) fn document<D: serde::de::DeserializeOwned>(file: &str) -> D {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/shell/survey/fixtures")
        .join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Compares a text with its fixture; `UNITWARD_BLESS=1` rewrites the fixture.
pub(in crate::shell::cli) fn check(file: &str, text: &str, beside: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/shell/cli/fixtures")
        .join(file);
    let text = format!("{text}-- standard error\n{beside}");
    if std::env::var_os("UNITWARD_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(
        text,
        std::fs::read_to_string(&path).unwrap(),
        "{}",
        path.display()
    );
}
