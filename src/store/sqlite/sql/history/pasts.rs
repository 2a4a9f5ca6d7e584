//! What was there before writes, found out by reading them backwards.

use rustc_hash::FxHashMap;

use super::merged::Merged;
use super::what::What;
use crate::limits::SQL_MEMORY_BYTES_MAX;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::Result;
use crate::store::sqlite::scan::Cell;
use crate::store::sqlite::sql::{errors, quota};

/// A write that asks for something.
pub(super) struct Asked {
    id: i64,
    value: Value,
    /// What stands in for what was there before, where no write before is known.
    otherwise: Value,
}

impl Asked {
    /// Of the row that `rows` stand at.
    pub(super) fn of(rows: &mut Merged, what: What, id: i64) -> Result<Asked> {
        let otherwise = match what.otherwise() {
            Some(column) if rows.is(Column::Outcome, "success")? => rows.value(column)?,
            _ => Value::Null,
        };
        Ok(Asked {
            id,
            value: rows.value(what.asked())?,
            otherwise,
        })
    }
}

/// What a write asks for, and what was there before.
pub(super) struct Past {
    pub(super) asked: Value,
    pub(super) before: Value,
}

/// What writes asked for, read from the newest to the oldest: a write waits until one before it of
/// the same object is read that took effect.
pub(super) struct Pasts {
    pub(super) rows: Merged,
    /// By object.
    pub(super) waiting: Vec<Vec<Asked>>,
    /// Objects by what makes them.
    pub(super) objects: FxHashMap<Box<str>, usize>,
    /// The same by numbers that stand for texts, and whether a write succeeded.
    numbered: FxHashMap<Box<[u32]>, (usize, bool)>,
    pub(super) known: FxHashMap<i64, Past>,
    numbers: Vec<u32>,
    name: String,
    /// Rows read since an object was looked up.
    pub(super) since_lookup: usize,
    held: usize,
    /// Memory counted against the statement.
    charged: i64,
}

impl Pasts {
    pub(super) fn new(rows: Merged) -> Pasts {
        Pasts {
            rows,
            waiting: Vec::new(),
            objects: FxHashMap::default(),
            numbered: FxHashMap::default(),
            known: FxHashMap::default(),
            numbers: Vec::new(),
            name: String::new(),
            since_lookup: 0,
            held: 0,
            charged: 0,
        }
    }

    /// The object of the row, and whether the write succeeded.
    fn object(&mut self, what: What) -> Result<(usize, bool)> {
        self.rows.numbers(what.told_apart(), &mut self.numbers)?;
        if let Some(&known) = self.numbered.get(self.numbers.as_slice()) {
            return Ok(known);
        }
        name_object(&mut self.rows, what, &mut self.name)?;
        let object = match self.objects.get(self.name.as_str()) {
            Some(&object) => object,
            None => {
                self.waiting.push(Vec::new());
                let object = self.objects.len();
                self.objects.insert(self.name.as_str().into(), object);
                object
            }
        };
        let found = (object, self.rows.is(Column::Outcome, "success")?);
        if !self.numbers.is_empty() {
            self.numbered.insert(self.numbers.as_slice().into(), found);
        }
        Ok(found)
    }

    /// Reads one more write; false at the end.
    pub(super) fn read(&mut self, what: What) -> Result<bool> {
        let Some((_, id)) = self.rows.place() else {
            for object in 0..self.waiting.len() {
                let waiting = std::mem::take(&mut self.waiting[object]);
                self.settle(waiting, &Value::Null)?;
            }
            return Ok(false);
        };
        let (object, success) = self.object(what)?;
        let value = self.rows.value(what.asked())?;
        let mut otherwise = Value::Null;
        if success {
            if let Some(column) = what.otherwise() {
                otherwise = self.rows.value(column)?;
            }
            let left = match self.rows.cell(Column::DryRun)? {
                Cell::Int(1) => Value::Null,
                _ if what.left() == what.asked() => value.clone(),
                _ => self.rows.value(what.left())?,
            };
            if left != Value::Null {
                let waiting = std::mem::take(&mut self.waiting[object]);
                self.settle(waiting, &left)?;
            }
        }
        self.waiting[object].push(Asked {
            id,
            value,
            otherwise,
        });
        self.since_lookup += 1;
        self.rows.advance()?;
        Ok(true)
    }

    /// Says of writes what was there before.
    pub(super) fn settle(&mut self, writes: Vec<Asked>, before: &Value) -> Result<()> {
        for write in writes {
            let before = match before {
                Value::Null => write.otherwise,
                before => before.clone(),
            };
            let text = match &write.value {
                Value::Text(text) => text.len(),
                _ => 0,
            };
            self.held += text + 4 * size_of::<(i64, Past)>();
            let asked = write.value;
            self.known.insert(write.id, Past { asked, before });
        }
        let held = i64::try_from(self.held).unwrap_or(i64::MAX);
        if held > self.charged {
            let step = held - self.charged + (1 << 20);
            if !quota::take_memory(step) {
                return Err(errors::out_of_memory(SQL_MEMORY_BYTES_MAX));
            }
            self.charged += step;
        }
        Ok(())
    }
}

impl Drop for Pasts {
    fn drop(&mut self) {
        quota::take_memory(-self.charged);
    }
}

/// What tells the object of a row from others.
pub(super) fn name_object(rows: &mut Merged, what: What, name: &mut String) -> Result<()> {
    name.clear();
    for &column in what.object() {
        match rows.cell(column)? {
            Cell::Text(text) => name.push_str(text),
            _ => name.push('\u{1}'),
        }
        name.push('\0');
    }
    Ok(())
}

/// What a write leaves; NULL when it takes no effect.
pub(super) fn left(rows: &mut Merged, what: What) -> Result<Value> {
    if !rows.is(Column::Outcome, "success")? || rows.cell(Column::DryRun)? == Cell::Int(1) {
        return Ok(Value::Null);
    }
    rows.value(what.left())
}
