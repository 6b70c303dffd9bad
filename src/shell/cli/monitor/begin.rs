//! First message of `unitward monitor`: the units it watches. Also checks that there is a ward of
//! the given name.

use crate::core::config::{find_called, template};
use crate::core::visible::visible;
use crate::shell::cli::reports::table::counted;
use crate::shell::survey::list::List;
use crate::shell::survey::status::Status;
use crate::shell::survey::{Answer, Question, State, ask};

/// The ward to watch, and the first message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Begin {
    /// The ward, by the name that signals have.
    pub(super) ward: Option<String>,
    pub(super) words: Option<String>,
}

impl Begin {
    /// Makes the first message of a watch over this ward, or over everything; `what` describes it.
    fn watching(ward: Option<&str>, what: &str) -> Self {
        Self {
            ward: ward.map(str::to_owned),
            words: Some(format!("Watching {what}.")),
        }
    }
}

/// Looks up the wards. Without an answer, as before the bus is there, the name is not checked and
/// all signals are printed.
///
/// # Errors
/// A sentence, if there is no such ward.
pub(super) async fn begin(ward: Option<&str>) -> Result<Begin, String> {
    let unknown = Begin {
        ward: ward.map(str::to_owned),
        words: None,
    };
    let Ok(Answer::Document(document)) = ask(&Question::List).await else {
        return Ok(unknown);
    };
    let Ok(list) = serde_json::from_str::<List>(&document) else {
        return Ok(unknown);
    };
    if let Some(begin) = of(&list, ward) {
        return begin;
    }
    match ask(&Question::Status(ward.unwrap_or_default().to_owned())).await {
        Ok(Answer::Refused(why)) => Err(why),
        // An instance of a template that has not been started since boot is not on the list.
        Ok(Answer::Document(document)) => match serde_json::from_str::<Status>(&document) {
            Ok(Status::Ward(status)) => {
                let (shown, unit) = (visible(&status.line.name), visible(&status.line.unit));
                let what = format!("{shown} ({unit}, {})", status.line.state.word());
                Ok(Begin::watching(Some(&status.line.name), &what))
            }
            _ => Ok(unknown),
        },
        _ => Ok(unknown),
    }
}

/// Does the same from the list; `None`: the list has nothing of this name.
fn of(list: &List, ward: Option<&str>) -> Option<Result<Begin, String>> {
    let Some(name) = ward else {
        let mut parts = vec![counted(list.wards.len(), "ward")];
        parts.extend(
            Some(list.stacks.len())
                .filter(|count| *count > 0)
                .map(|count| counted(count, "stack")),
        );
        let watched = Some(list.watched.len()).filter(|count| *count > 0);
        parts.extend(watched.map(|count| format!("{} without a ward", counted(count, "unit"))));
        let last = parts.pop()?;
        let all = if parts.is_empty() {
            last
        } else {
            format!("{} and {last}", parts.join(", "))
        };
        return Some(Ok(Begin::watching(None, &all)));
    };
    if let Some(ward) = find_called(list.wards.iter(), name) {
        if ward.state == State::Template {
            return Some(Err(template::name_an_instance(&visible(&ward.name))));
        }
        let (shown, unit, state) = (visible(&ward.name), visible(&ward.unit), ward.state.word());
        let what = format!("{shown} ({unit}, {state})");
        return Some(Ok(Begin::watching(Some(&ward.name), &what)));
    }
    if let Some(one) = list
        .watched
        .iter()
        .find(|one| one.name == name || one.unit == name)
    {
        let what = format!("{}, which has no ward", visible(&one.unit));
        return Some(Ok(Begin::watching(Some(&one.name), &what)));
    }
    let stack = list
        .stacks
        .iter()
        .find(|stack| stack.name == name || stack.unit == name)?;
    let members = visible(&stack.members.join(", "));
    Some(Err(format!(
        "{} is a stack: --ward= takes one of its members, {members}.",
        visible(&stack.name)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::cli::desk::fixture;

    fn check(ward: Option<&str>, name: Option<&str>, words: &str) {
        let list: List = fixture::document("list.json");
        let expect = Begin {
            ward: name.map(str::to_owned),
            words: Some(words.to_owned()),
        };
        assert_eq!(of(&list, ward), Some(Ok(expect)), "{ward:?}");
    }

    #[test]
    fn it_says_what_it_watches() {
        check(
            None,
            None,
            "Watching 4 wards, 1 stack and 1 unit without a ward.",
        );
        check(
            Some("telldusd"),
            Some("telldus"),
            "Watching telldus (telldusd.service, missing).",
        );
        check(
            Some("cron.service"),
            Some("cron"),
            "Watching cron.service, which has no ward.",
        );
    }

    #[test]
    fn a_name_that_no_ward_has_is_not_waited_for() {
        let list: List = fixture::document("list.json");
        assert_eq!(of(&list, Some("nope")), None);
        let stack = list.stacks[0].unit.as_str();
        assert!(
            of(&list, Some(stack))
                .unwrap()
                .unwrap_err()
                .contains("is a stack: --ward= takes one of its members")
        );
    }
}
