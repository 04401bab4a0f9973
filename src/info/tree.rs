//! A generic value of the manifest, with members in declared order. New members of the manifest are therefore shown and
//! compared without a change here.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Tree>),
    Members(Vec<(String, Tree)>),
}

impl Tree {
    pub fn from_value(value: &impl Serialize) -> Tree {
        let text = serde_json::to_string(value).ok();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Tree::Null)
    }

    pub fn members(&self) -> &[(String, Tree)] {
        match self {
            Tree::Members(members) => members,
            _ => &[],
        }
    }

    /// Without the members with these names.
    pub fn without(mut self, names: &[&str]) -> Tree {
        if let Tree::Members(members) = &mut self {
            members.retain(|(name, _)| !names.contains(&name.as_str()));
        }
        self
    }

    /// Without the members that have the same value in `usual`, at any depth.
    pub fn without_members_of(self, usual: &Tree) -> Tree {
        let Tree::Members(members) = self else { return self };
        let of = |name: &str| usual.members().iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let left = members.into_iter().filter(|(name, value)| of(name) != Some(value));
        let left = left.map(|(name, value)| match of(&name) {
            Some(usual) => (name, value.without_members_of(usual)),
            None => (name, value),
        });
        Tree::Members(left.collect())
    }

    /// Is there nothing to show? True for no value, an empty text, and containers of only these.
    pub fn is_empty(&self) -> bool {
        match self {
            Tree::Null => true,
            Tree::Bool(_) | Tree::Number(_) => false,
            Tree::Text(text) => text.is_empty(),
            Tree::List(items) => items.iter().all(Tree::is_empty),
            Tree::Members(members) => members.iter().all(|(_, value)| value.is_empty()),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(Grow)
    }
}

struct Grow;

#[allow(clippy::cast_precision_loss, reason = "for people to read")]
impl<'de> Visitor<'de> for Grow {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_string()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Members(members))
    }
}
