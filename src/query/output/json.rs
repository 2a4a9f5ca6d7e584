//! Stand-in.
use crate::model::value::Value;
use crate::query::wire;
use crate::store::SqlColumn;

pub fn write_object(out: &mut Vec<u8>, columns: &[SqlColumn], row: &[Value]) {
    out.push(b'{');
    for (at, (column, value)) in columns.iter().zip(row).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{:?}:", column.name).as_bytes());
        wire::write_cell(out, value);
    }
    out.push(b'}');
}
