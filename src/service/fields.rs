//! The names of a structure's fields, as its `Deserialize` asks for them: lets a test hold every
//! operation against the published model without running it.

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};

/// The field names of a structure; empty for a type that is none.
pub fn of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It always "fails": the names are all that is wanted.
    let _ = T::deserialize(Ask(&mut names));
    names
}

struct Ask<'a>(&'a mut &'static [&'static str]);

#[derive(Debug, thiserror::Error)]
#[error("only the names are asked for")]
struct Asked;

impl de::Error for Asked {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Asked
    }
}

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Asked;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Asked> {
        *self.0 = fields;
        Err(Asked)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
        Err(Asked)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    #[allow(dead_code)]
    struct Sample {
        user_name: String,
        max_items: Option<u32>,
    }

    #[test]
    fn names_are_those_on_the_wire() {
        assert_eq!(super::of::<Sample>(), ["UserName", "MaxItems"]);
        assert!(super::of::<String>().is_empty());
    }
}
