//! Single values of columns, and columns made of them.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray};
use arrow_schema::DataType;

/// A value of any type that tables have.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Arc<str>),
}

/// The value of an entity column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    Null,
    Int(i64),
    Text(Arc<str>),
}

impl Value {
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) => Some(*v).filter(|v| !v.is_nan()),
            Value::Bool(v) => Some(f64::from(u8::from(*v))),
            Value::Null | Value::Text(_) => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(v) => Some(*v),
            _ => None,
        }
    }
}

impl From<Value> for Label {
    fn from(value: Value) -> Label {
        match value {
            Value::Int(v) => Label::Int(v),
            Value::Text(text) => Label::Text(text),
            Value::Bool(v) => Label::Int(i64::from(v)),
            // No entity is a float.
            Value::Null | Value::Float(_) => Label::Null,
        }
    }
}

impl From<&Label> for Value {
    fn from(label: &Label) -> Value {
        match label {
            Label::Null => Value::Null,
            Label::Int(v) => Value::Int(*v),
            Label::Text(text) => Value::Text(text.clone()),
        }
    }
}

/// A column whose values are taken one by one.
pub enum Values<'a> {
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float(&'a Float64Array),
    Bool(&'a BooleanArray),
    Text(&'a StringArray),
    Words(&'a Int32Array, Vec<Option<Arc<str>>>),
}

impl<'a> Values<'a> {
    /// `None` for a type that no table has.
    pub fn new(column: &'a ArrayRef) -> Option<Values<'a>> {
        if let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() {
            let texts = dictionary.values().as_string_opt::<i32>()?;
            return Some(Values::Words(dictionary.keys(), texts.iter().map(|text| text.map(Arc::from)).collect()));
        }
        let ints = || column.as_primitive_opt::<Int64Type>().map(Values::Int64);
        let floats = || column.as_primitive_opt::<Float64Type>().map(Values::Float);
        let int32s = || column.as_primitive_opt::<Int32Type>().map(Values::Int32);
        let bools = || column.as_boolean_opt().map(Values::Bool);
        let texts = || column.as_string_opt::<i32>().map(Values::Text);
        ints().or_else(floats).or_else(int32s).or_else(bools).or_else(texts)
    }

    pub fn at(&self, row: usize) -> Value {
        match self {
            Values::Int32(ints) if ints.is_valid(row) => Value::Int(i64::from(ints.value(row))),
            Values::Int64(ints) if ints.is_valid(row) => Value::Int(ints.value(row)),
            Values::Float(floats) if floats.is_valid(row) => Value::Float(floats.value(row)),
            Values::Bool(bools) if bools.is_valid(row) => Value::Bool(bools.value(row)),
            Values::Text(texts) if texts.is_valid(row) => Value::Text(texts.value(row).into()),
            Values::Words(keys, texts) if keys.is_valid(row) => {
                let text = usize::try_from(keys.value(row)).ok().and_then(|key| texts.get(key)?.clone());
                text.map_or(Value::Null, Value::Text)
            }
            _ => Value::Null,
        }
    }
}

/// A column that is being made.
pub enum Builder {
    Stamps(TimestampMicrosecondBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Text(StringBuilder),
}

impl Builder {
    /// For these types of columns: those of tables, with plain texts.
    pub fn new(ty: &DataType) -> Builder {
        match ty {
            DataType::Timestamp(_, zone) => {
                Builder::Stamps(TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone()))
            }
            DataType::Int32 => Builder::Int32(Int32Builder::new()),
            DataType::Int64 => Builder::Int64(Int64Builder::new()),
            DataType::Float64 => Builder::Float(Float64Builder::new()),
            DataType::Boolean => Builder::Bool(BooleanBuilder::new()),
            _ => Builder::Text(StringBuilder::new()),
        }
    }

    /// A value of another type becomes null.
    pub fn push(&mut self, value: &Value) {
        match (self, value) {
            (Builder::Stamps(b), Value::Int(v)) => b.append_value(*v),
            (Builder::Stamps(b), _) => b.append_null(),
            (Builder::Int32(b), v) => b.append_option(v.as_int().and_then(|v| i32::try_from(v).ok())),
            (Builder::Int64(b), v) => b.append_option(v.as_int()),
            (Builder::Float(b), v) => b.append_option(v.as_f64()),
            (Builder::Bool(b), Value::Bool(v)) => b.append_value(*v),
            (Builder::Bool(b), _) => b.append_null(),
            (Builder::Text(b), Value::Text(text)) => b.append_value(text),
            (Builder::Text(b), _) => b.append_null(),
        }
    }

    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Stamps(b) => Arc::new(b.finish()),
            Builder::Int32(b) => Arc::new(b.finish()),
            Builder::Int64(b) => Arc::new(b.finish()),
            Builder::Float(b) => Arc::new(b.finish()),
            Builder::Bool(b) => Arc::new(b.finish()),
            Builder::Text(b) => Arc::new(b.finish()),
        }
    }
}

/// The stamps of a batch; `None` if the column has another type.
pub fn stamps(column: &ArrayRef) -> Option<&[i64]> {
    column.as_primitive_opt::<TimestampMicrosecondType>().map(|stamps| &**stamps.values())
}
