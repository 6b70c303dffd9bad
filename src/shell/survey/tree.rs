//! The document of `unitward tree`: stacks, their wards, conditions and steps, with their counters
//! since boot.

use super::Answer;
use super::acts::{ConditionTold, Counters, conditions, counters};
use super::left_out;
use super::line::{State, line};
use super::list::stack_line;
use super::scene::{Chosen, Depth, Scene};
use crate::core::config::{Stack, Ward};
use serde::{Deserialize, Serialize};
use zbus::Connection;

/// The document. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct Tree {
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) stacks: Vec<StackBranch>,
    /// Wards that belong to no stack in the document.
    pub(in crate::shell) wards: Vec<WardBranch>,
}

/// A stack and its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct StackBranch {
    pub(in crate::shell) name: String,
    pub(in crate::shell) unit: String,
    pub(in crate::shell) state: State,
    pub(in crate::shell) wards: Vec<WardBranch>,
}

/// A ward and its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct WardBranch {
    pub(in crate::shell) name: String,
    pub(in crate::shell) unit: String,
    pub(in crate::shell) state: State,
    pub(in crate::shell) since_boot: Counters,
    pub(in crate::shell) conditions: Vec<ConditionTold>,
}

/// Answers the question; an empty `name` means all wards and stacks.
pub(super) async fn answer(bus: &Connection, name: &str) -> anyhow::Result<Answer> {
    let mut scene = Scene::read();
    let chosen = match name {
        "" => Chosen::All,
        name => match Chosen::find(&scene.config, name) {
            Some(chosen) => chosen,
            None => {
                return Ok(Answer::Refused(left_out::unknown(bus, &scene, name).await?));
            }
        },
    };
    scene.look(bus, Depth::Counters, &chosen).await?;
    Ok(Answer::Document(serde_json::to_string(&tree(
        &scene, &chosen,
    ))?))
}

fn tree(scene: &Scene, chosen: &Chosen) -> Tree {
    let stacks: Vec<_> = scene
        .config
        .stacks
        .iter()
        .filter(|stack| chosen.has_stack(stack))
        .collect();
    let alone = scene.config.wards.iter().filter(|ward| {
        let mut names = stacks.iter().map(|stack| &stack.name);
        chosen.has_ward(ward) && !names.any(|name| ward.stack.as_ref() == Some(name))
    });
    Tree {
        timestamp: scene.epoch,
        wards: alone.map(|ward| ward_branch(scene, ward)).collect(),
        stacks: stacks
            .iter()
            .map(|stack| stack_branch(scene, stack))
            .collect(),
    }
}

fn stack_branch(scene: &Scene, stack: &Stack) -> StackBranch {
    let stood = stack_line(scene, stack);
    StackBranch {
        name: stood.name,
        unit: stood.unit,
        state: stood.state,
        wards: scene
            .members(stack)
            .map(|ward| ward_branch(scene, ward))
            .collect(),
    }
}

fn ward_branch(scene: &Scene, ward: &Ward) -> WardBranch {
    let stood = line(scene, ward);
    WardBranch {
        name: stood.name,
        unit: stood.unit,
        state: stood.state,
        since_boot: counters(&scene.book(ward).totals),
        conditions: conditions(scene, ward),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::survey::sample;

    #[test]
    fn the_document_stays_as_it_is() {
        let scene = sample::scene();
        sample::check("tree.json", &tree(&scene, &Chosen::All));
        let names = |chosen: &Chosen| {
            let tree = tree(&scene, chosen);
            let stacked = tree.stacks.into_iter().flat_map(|stack| stack.wards);
            stacked
                .chain(tree.wards)
                .map(|ward| ward.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&Chosen::Ward("fs-nfs2".into())), ["fs-nfs2"]);
        assert_eq!(names(&Chosen::Stack("opensync".into())), ["fs-nfs2"]);
    }
}
