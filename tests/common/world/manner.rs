//! How a plan is run: what must make no difference.

use super::tally::Case;

/// In which order hosts take the outputs of their machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drain {
    /// As the dice say, each time anew.
    #[default]
    Mixed,
    MessagesFirst,
    ActionsFirst,
}

/// What the plan leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    pub drain: Drain,
    /// Processes die and hosts rest only when they have taken all outputs of a step: then
    /// the order in which they take them shows nowhere.
    pub whole_steps: bool,
    /// Hosts misuse their machines, and machines get messages that they have to refuse.
    pub meddling: bool,
    /// Something that counts as a failure, to see how one is shown.
    pub forbidden: Option<Case>,
}

impl Manner {
    /// Hosts take outputs in any order and die between them; nothing else is done.
    pub const USUAL: Self = Self {
        drain: Drain::Mixed,
        whole_steps: false,
        meddling: false,
        forbidden: None,
    };
}

impl Default for Manner {
    fn default() -> Self {
        Self::USUAL
    }
}
