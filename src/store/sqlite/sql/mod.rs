//! User SQL in a sandbox: one in-memory connection whose tables read the segments.

pub(crate) fn install() {}
pub(crate) fn run(
    _: std::sync::Arc<super::scan::Snapshot>,
    _: &crate::store::SqlQuery,
    _: &crate::store::Budget,
    _: &mut dyn crate::store::SqlSink,
) -> crate::store::Result<crate::store::Answer> {
    todo!()
}
