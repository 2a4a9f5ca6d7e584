//! Compliance reports: controls of a framework, the questions that give evidence for them, verdicts
//! where events can carry one, and what events cannot prove.
//!
//! A report's way: a file of `queries/report/` -> its controls -> questions of the library asked of a
//! [`Source`](crate::query::source::Source) -> [`made::Made`] -> one of the forms (HTML, Markdown,
//! JSON, CSV).

pub mod catalogue;
pub mod definition;
pub mod digest;
mod figures;
mod learned;
pub mod made;
pub mod make;
mod manners;
pub mod publish;
pub mod render;
pub mod schedule;
#[cfg(test)]
mod tests;
pub mod verify;

pub use catalogue::Catalogue;
pub use definition::Definition;
pub use learned::Told;
