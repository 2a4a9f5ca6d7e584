//! Questions and answers as people see them: words to a filter, rows to text. Shared by the CLI
//! and the HTTP API, so that both ask and answer alike.

mod base64;
mod cel;
pub mod count;
pub mod cursor;
pub mod equivalent;
pub mod library;
pub mod listing;
pub mod live;
pub mod output;
pub mod params;
pub mod quote;
pub mod schema;
pub mod source;
pub mod textfile;
pub mod wire;

pub use crate::model::time as clock;
