//! The forms of a report. Each is a function from [`Made`](super::made::Made) to text.

pub mod html;
