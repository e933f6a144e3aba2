//! How a plan is run: what must make no difference.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    pub drain: Drain,
    /// Processes die and hosts rest only when they have taken all outputs of a step: then
    /// the order in which they take them shows nowhere.
    pub whole_steps: bool,
    /// Hosts misuse their machines, and machines get messages that they have to refuse.
    pub meddling: bool,
}
