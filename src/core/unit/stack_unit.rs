//! The unit of one stack: the target it defines, or the drop-in for the unit it adopts; and the
//! socket that takes requests for a full restart.
//!
//! The unit wants all members, so that a full restart also starts those that were down. A target is
//! by default ordered after what it wants (systemd.target(5)); an adopted service is ordered by its
//! author.
//!
//! The socket is opened at boot, and by the first member that starts: a new stack need not wait for
//! the next boot.

use super::DROP_IN;
use super::{Content, Output, Rank, header};
use crate::core::config::{Form, Stack, StackName, UnitName};

/// The installed template of the sockets of all stacks.
const SOCKET: &str = "/usr/lib/systemd/system/unitward-stack@.socket";

/// Returns everything to write for one stack with these members.
#[must_use]
pub fn outputs(stack: &Stack, members: &[UnitName]) -> Vec<Output> {
    let unit = stack.unit();
    let text = text(stack, members);
    let door = link(
        &["sockets.target.wants/", &socket(&stack.name)],
        SOCKET.to_owned(),
    );
    match stack.form {
        Form::Defined => {
            let path = unit.to_string();
            // A generated unit cannot be enabled, and a stack that exists is wanted.
            let boot = link(
                &["multi-user.target.wants/", &path],
                ["../", &path].concat(),
            );
            vec![
                Output {
                    rank: Rank::Normal,
                    path,
                    content: Content::File(text),
                },
                boot,
                door,
            ]
        }
        Form::Adopted(_) => {
            let path = [unit.as_str(), ".d/", DROP_IN].concat();
            vec![
                Output {
                    rank: Rank::Normal,
                    path,
                    content: Content::File(text),
                },
                door,
            ]
        }
    }
}

/// Returns the name of the socket that takes requests for a full restart of the stack.
pub(super) fn socket(stack: &StackName) -> String {
    ["unitward-stack@", stack.as_str(), ".socket"].concat()
}

fn text(stack: &Stack, members: &[UnitName]) -> String {
    let mut text = header(&stack.path);
    text.push_str("[Unit]\n");
    if stack.form == Form::Defined {
        // A percent sign begins a specifier there.
        text.extend(["Description=", &stack.identifier.replace('%', "%%"), "\n"]);
    }
    text.extend(["SourcePath=", &stack.path.to_string_lossy(), "\n"]);
    for member in members {
        text.extend(["Wants=", member.as_str(), "\n"]);
    }
    text
}

fn link(path: &[&str], target: String) -> Output {
    Output {
        rank: Rank::Normal,
        path: path.concat(),
        content: Content::Link(target),
    }
}
